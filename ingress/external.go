package ingress

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/names"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// Resolver knows what names stand for.
type Resolver interface {
	Want(names []string)
	Answers() <-chan names.Answers
}

// External says how ExternalName Services are served. A name may not stand for
// anything inside the cluster, nor for what is never a backend, unless allowed.
type External struct {
	Resolver Resolver
	Allowed  []netip.Prefix
	Refused  []netip.Prefix // besides what the cluster tells of itself, such as Pods it does not tell of
}

// external follows what names stand for and what of it is acceptable. Its zero
// value refuses all names.
type external struct {
	*External
	answers names.Answers
	guard   *route.Guard
	wanted  []string
	ranges  []netip.Prefix // of Services, as in guard
}

// heard is where answers come from; nil if nobody is asked.
func (x *external) heard() <-chan names.Answers {
	if x.External == nil {
		return nil
	}
	return x.Resolver.Answers()
}

// watch makes the guard anew if the cluster changed.
func (x *external) watch(snap *config.Snapshot) {
	if x.External == nil {
		return
	}
	changed := snap.Changed
	untold := len(snap.ServiceRanges) == 0 && len(changed.Services) > 0
	if x.guard != nil && !changed.All && len(changed.Nodes) == 0 && !untold && slices.Equal(x.ranges, snap.ServiceRanges) {
		return
	}
	x.ranges = snap.ServiceRanges
	x.guard = guardOf(snap, x.External)
}

// ask has the names of a plan resolved.
func (x *external) ask(plan *route.Plan) {
	if x.External == nil {
		return
	}
	if want := plan.ExternalNames(); !slices.Equal(want, x.wanted) {
		x.wanted = want
		x.Resolver.Want(want)
	}
}

// guardOf refuses what lies in the cluster.
func guardOf(snap *config.Snapshot, x *External) *route.Guard {
	g := &route.Guard{Allowed: x.Allowed}
	add := func(p netip.Prefix, what string) { g.Refused = append(g.Refused, route.Range{Prefix: p, What: what}) }
	for _, node := range snap.Nodes.All() {
		for _, addr := range node.Addrs {
			add(netip.PrefixFrom(addr, addr.BitLen()), "a node")
		}
		for _, p := range node.PodCIDRs {
			add(p, "Pods")
		}
	}
	for _, p := range snap.ServiceRanges {
		add(p, "Services")
	}
	if len(snap.ServiceRanges) == 0 { // before Kubernetes 1.33 a cluster does not tell
		for _, svc := range snap.Services.All() {
			for _, addr := range svc.ClusterIPs {
				add(netip.PrefixFrom(addr, addr.BitLen()), "a Service")
			}
		}
	}
	for _, p := range x.Refused {
		add(p, "a range that is not allowed here")
	}
	return g
}
