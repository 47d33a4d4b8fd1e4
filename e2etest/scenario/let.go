package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// let NAME = WHAT ARG...: put something seen into a variable.
//
//	let IP = status SVC [ipv4|ipv6]      the Service's address
//	let OWNER = arp CLIENT ADDR          the node that answers for the address
//	let PORT = nodeport SVC PORTNAME     the node port
//	let POD = pod SELECTOR [NAMESPACE]   the name of a ready pod
//	let NODE = node SELECTOR             the node of that pod
//	let OTHER = othernode NODE...        a node that is none of these
//	let LEADER = lease NAME NAMESPACE    who holds a Lease
//	let X = json KIND/NAME PATH [NAMESPACE]   kubectl's jsonpath, without braces
func let(r *run, args []string) error {
	if len(args) < 3 || args[1] != "=" {
		return usage("let NAME = WHAT ARG...")
	}
	finders := map[string]func(r *run, args []string) (string, error){
		"status": letStatus, "arp": letNeighbour, "ndp": letNeighbour, "nodeport": letNodePort,
		"pod": letPod, "node": letNode, "othernode": letOtherNode, "lease": letLease, "json": letJSON,
	}
	find, ok := finders[args[2]]
	if !ok {
		return usage("let: nothing known about " + args[2])
	}
	value, err := find(r, args[3:])
	if err != nil {
		return err
	}
	if value == "" {
		return fmt.Errorf("%s is empty", strings.Join(args[2:], " "))
	}
	r.vars[args[0]] = value
	r.t.Log("let", args[0], "=", value)
	return nil
}

func letStatus(r *run, args []string) (string, error) {
	if len(args) == 0 {
		return "", usage("let NAME = status SVC [ipv4|ipv6]")
	}
	addrs, err := r.w.Cluster.ServiceAddrs(r.ctx, r.ns, args[0])
	if err != nil {
		return "", err
	}
	v6 := len(args) > 1 && args[1] == "ipv6"
	i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is6() == v6 })
	if i < 0 {
		return "", fmt.Errorf("Service %s has addresses %v", args[0], addrs)
	}
	return addrs[i].String(), nil
}

func letNeighbour(r *run, args []string) (string, error) {
	if len(args) != 2 {
		return "", usage("let NAME = arp CLIENT ADDR")
	}
	return r.neighbour(args[0], args[1], false)
}

func letNodePort(r *run, args []string) (string, error) {
	if len(args) != 2 {
		return "", usage("let NAME = nodeport SVC PORTNAME")
	}
	return r.kubectl("get", "service", args[0], "-o", fmt.Sprintf(`jsonpath={.spec.ports[?(@.name==%q)].nodePort}`, args[1]))
}

func letPod(r *run, args []string) (string, error) {
	if len(args) == 0 {
		return "", usage("let NAME = pod SELECTOR [NAMESPACE]")
	}
	pod, err := r.w.Cluster.ReadyPod(r.ctx, append(args, r.ns)[1], args[0])
	if err != nil {
		return "", err
	}
	return pod.Name, nil
}

func letNode(r *run, args []string) (string, error) {
	if len(args) == 0 {
		return "", usage("let NAME = node SELECTOR [NAMESPACE]")
	}
	pod, err := r.w.Cluster.ReadyPod(r.ctx, append(args, r.ns)[1], args[0])
	if err != nil {
		return "", err
	}
	return pod.Spec.NodeName, nil
}

func letOtherNode(r *run, args []string) (string, error) {
	for _, name := range r.w.Lab.Nodes() {
		if !slices.Contains(args, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("no node beyond %v", args)
}

func letLease(r *run, args []string) (string, error) {
	if len(args) != 2 {
		return "", usage("let NAME = lease NAME NAMESPACE")
	}
	return r.w.Cluster.Kubectl("-n", args[1], "get", "lease", args[0], "-o", "jsonpath={.spec.holderIdentity}")
}

func letJSON(r *run, args []string) (string, error) {
	if len(args) < 2 {
		return "", usage("let NAME = json KIND/NAME PATH [NAMESPACE]")
	}
	return r.w.Cluster.Kubectl("-n", append(args, r.ns)[2], "get", args[0], "-o", "jsonpath={"+args[1]+"}")
}
