package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
)

// expect WHAT ARG...: check something once.
func expect(r *run, args []string) error {
	checks := map[string]command{
		"status": expectStatus, "answers": expectAnswers, "arp": expectNeighbour, "ndp": expectNeighbour,
		"get": expectGet, "refused": expectRefused, "timeout": expectTimeout, "udp": expectUDP, "tcp": expectTCP,
		"route": expectRoute, "noroute": expectNoRoute,
		"event": expectEvent, "condition": expectCondition, "out": expectOut, "ready": expectReady, "endpoints": expectEndpoints, "services": expectServices,
		"table": expectTable, "same": expectSame, "loop": expectLoop, "resolve": expectResolve, "plan": expectPlan, "rebalance": expectRebalance,
	}
	if len(args) == 0 {
		return usage("expect WHAT ARG...")
	}
	check, ok := checks[args[0]]
	if !ok {
		return usage(fmt.Sprintf("expect %s: no such check", args[0]))
	}
	return check(r, args[1:])
}

// expect status SVC ADDR|any|none [ipv4|ipv6]: the Service's published address.
func expectStatus(r *run, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return usage("expect status SVC ADDR|any|none [ipv4|ipv6]")
	}
	addrs, err := r.w.Cluster.ServiceAddrs(r.ctx, r.ns, args[0])
	if err != nil {
		return err
	}
	if len(args) == 3 {
		addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return a.Is4() != (args[2] == "ipv4") })
	}
	switch {
	case args[1] == "any" && len(addrs) > 0, args[1] == "none" && len(addrs) == 0:
		return nil
	case args[1] == "any", args[1] == "none":
		return fmt.Errorf("Service %s has addresses %v", args[0], addrs)
	}
	want, err := netip.ParseAddr(args[1])
	if err != nil {
		return usage(err.Error())
	}
	if !slices.Contains(addrs, want) {
		return fmt.Errorf("Service %s has addresses %v", args[0], addrs)
	}
	return nil
}

// expect arp|ndp CLIENT ADDR is NODE|any|none: which host the client believes to
// have the address; it asks when it does not know. "none" is asked afresh.
func expectNeighbour(r *run, args []string) error {
	if len(args) != 4 || args[2] != "is" {
		return usage("expect arp|ndp CLIENT ADDR is NODE|any|none")
	}
	owner, err := r.neighbour(args[0], args[1], args[3] == "none")
	if err != nil {
		return err
	}
	switch {
	case args[3] == "none" && owner == "", args[3] == "any" && owner != "", args[3] == owner:
		return nil
	}
	return fmt.Errorf("%s finds %s at %q", args[0], args[1], owner)
}

func (r *run) neighbour(client, text string, afresh bool) (string, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "", usage(err.Error())
	}
	if afresh {
		return r.w.Lab.ResolveAfresh(client, addr)
	}
	return r.w.Lab.Resolve(client, addr)
}

// expect route ROUTER PREFIX via NODE...: the router's kernel has the route with
// exactly these next hops.
func expectRoute(r *run, args []string) error {
	if len(args) < 4 || args[2] != "via" {
		return usage("expect route ROUTER PREFIX via NODE...|any")
	}
	hops, err := r.hops(args[0], args[1])
	if err != nil {
		return err
	}
	want := slices.Sorted(slices.Values(args[3:]))
	if slices.Equal(hops, want) || (want[0] == "any" && len(hops) > 0) {
		return nil
	}
	return fmt.Errorf("%s sends %s via %v", args[0], args[1], hops)
}

// expect noroute ROUTER PREFIX: the router's kernel has no such route.
func expectNoRoute(r *run, args []string) error {
	if len(args) != 2 {
		return usage("expect noroute ROUTER PREFIX")
	}
	hops, err := r.hops(args[0], args[1])
	if err != nil {
		return err
	}
	if len(hops) > 0 {
		return fmt.Errorf("%s sends %s via %v", args[0], args[1], hops)
	}
	return nil
}

func (r *run) hops(router, text string) ([]string, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, usage(err.Error())
	}
	return r.w.Lab.NextHops(router, prefix.Masked())
}

// expect event KIND/NAME REASON [TEXT]: an event on the object, in any namespace.
func expectEvent(r *run, args []string) error {
	if len(args) < 2 {
		return usage("expect event KIND/NAME REASON [TEXT]")
	}
	kind, name, _ := strings.Cut(args[0], "/")
	events, err := r.w.Cluster.Events(r.ctx, kind, name)
	if err != nil {
		return err
	}
	text := strings.Join(args[2:], " ")
	var seen []string
	for _, e := range events {
		if (e.Reason == args[1] || args[1] == "any") && strings.Contains(e.Message, text) {
			return nil
		}
		seen = append(seen, e.Reason+": "+e.Message)
	}
	return fmt.Errorf("events of %s: %q", args[0], seen)
}

// expect condition KIND/NAME TYPE STATUS [REASON [TEXT]]: a condition in the
// object's status. Objects of the product are in the product's namespace.
func expectCondition(r *run, args []string) error {
	if len(args) < 3 {
		return usage("expect condition KIND/NAME TYPE STATUS [REASON [TEXT]]")
	}
	kind, name, _ := strings.Cut(args[0], "/")
	conditions, err := r.w.Cluster.Conditions(r.ctx, r.namespaceOf(kind), kind, name)
	if err != nil {
		return err
	}
	want := cluster.Condition{Type: args[1], Status: args[2]}
	if len(args) > 3 {
		want.Reason = args[3]
	}
	text := strings.Join(args[min(4, len(args)):], " ")
	for _, c := range conditions {
		if c.Type == want.Type && c.Status == want.Status && (want.Reason == "" || c.Reason == want.Reason) && strings.Contains(c.Message, text) {
			return nil
		}
	}
	return fmt.Errorf("conditions of %s: %+v", args[0], conditions)
}

// productKinds live in the product's namespace.
var productKinds = []string{"IPAddressPool", "L2Advertisement", "BGPPeer", "BGPAdvertisement", "BFDProfile", "Community"}

func (r *run) namespaceOf(kind string) string {
	for _, k := range productKinds {
		if strings.EqualFold(k, kind) {
			return System
		}
	}
	return r.ns
}

// expect out TEXT COMMAND...: the output of kubectl, helm or a router's shell
// holds the text.
func expectOut(r *run, args []string) error {
	if len(args) < 3 {
		return usage("expect out TEXT kubectl|helm|ROUTER|NODE ARG...")
	}
	out, err := r.output(args[1], args[2:])
	if err != nil {
		return err
	}
	if !strings.Contains(out, args[0]) {
		return fmt.Errorf("no %q in:\n%s", args[0], out)
	}
	return nil
}

func (r *run) output(tool string, args []string) (string, error) {
	switch tool {
	case "kubectl":
		return r.kubectl(args...)
	case "helm":
		return r.w.Cluster.Helm(args...)
	}
	if router, err := r.w.Lab.Router(tool); err == nil {
		return router.Show(strings.Join(args, " "))
	}
	return r.inHost(tool, args...)
}

// expect ready SELECTOR N: so many pods of the scenario's namespace are ready.
func expectReady(r *run, args []string) error {
	if len(args) != 2 {
		return usage("expect ready SELECTOR N")
	}
	want, err := strconv.Atoi(args[1])
	if err != nil {
		return usage(err.Error())
	}
	got, err := r.w.Cluster.ReadyPods(r.ctx, r.ns, args[0])
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%d pods with %s are ready", got, args[0])
	}
	return nil
}
