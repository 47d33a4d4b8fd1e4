package failover

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// target is a node and what it answers for: at most one address of a family.
type target struct {
	node  string
	addrs []netip.Addr
}

// choose picks the node that answers for addresses of most families, and of
// IPv4 rather than of IPv6. Of equals it is the first by name: since a node that
// was hit owns nothing for a while, it is not always the same.
func choose(owners map[netip.Addr]string) (t target, err error) {
	of := map[string]target{}
	for _, addr := range slices.SortedFunc(maps.Keys(owners), netip.Addr.Compare) {
		node := owners[addr]
		if have := of[node]; !slices.ContainsFunc(have.addrs, func(a netip.Addr) bool { return a.Is4() == addr.Is4() }) {
			of[node] = target{node, append(have.addrs, addr)}
		}
	}
	for _, node := range slices.Sorted(maps.Keys(of)) {
		one := of[node]
		if len(one.addrs) > len(t.addrs) || len(one.addrs) == len(t.addrs) && one.addrs[0].Is4() && !t.addrs[0].Is4() {
			t = one
		}
	}
	if t.node == "" {
		return t, fmt.Errorf("nobody owns an address")
	}
	return t, nil
}

// aim waits for the lab to be whole and chooses a target. The endpoints of the
// chosen Services are on the other nodes when it returns.
func (w *world) aim(ctx context.Context, set string) (target, error) {
	owners, err := w.whole(ctx, set)
	if err != nil {
		return target{}, err
	}
	t, err := choose(owners)
	if err != nil || set != chosenEnds {
		return t, err
	}
	return t, w.serveFrom(ctx, t.addrs, w.others(t.node))
}

// others are the nodes but one.
func (w *world) others(node string) []string {
	return slices.DeleteFunc(w.lab.Nodes(), func(n string) bool { return n == node })
}

// serveFrom makes the pods on these nodes the endpoints of the chosen Services,
// and returns when requests to the addresses show it. Pods are looked up anew
// until then: those of a node that was off get other addresses.
func (w *world) serveFrom(ctx context.Context, addrs []netip.Addr, nodes []string) error {
	return await(ctx, patience, func() error {
		if err := w.sendTo(ctx, nodes); err != nil {
			return err
		}
		return w.answersOnlyFrom(ctx, addrs, nodes)
	})
}

// answersOnlyFrom looks whether all of some requests were answered by pods on
// these nodes.
func (w *world) answersOnlyFrom(ctx context.Context, addrs []netip.Addr, nodes []string) error {
	for _, addr := range addrs {
		for range 12 {
			node, err := w.ask(ctx, addr)
			if err != nil {
				return err
			}
			if !slices.Contains(nodes, node) {
				return fmt.Errorf("%v is still answered by a pod on %s", addr, node)
			}
		}
	}
	return nil
}
