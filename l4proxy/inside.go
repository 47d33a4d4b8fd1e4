package l4proxy

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// A client inside the cluster does not come by way of a load balancer, and
// policy Local is not about it: it may use all endpoints (KEP-2086, as
// kube-proxy's short-circuit does). Inside are this node itself and its pods;
// pods of other nodes meet the tables of theirs.

// Pods are the addresses of this node's pods, sorted and disjoint, by family.
func (t Table) Pods() []config.Range { return t.pods }

// podRanges are the addresses in prefixes.
func podRanges(prefixes []netip.Prefix) []config.Range {
	var valid []netip.Prefix
	for _, p := range prefixes {
		if p.IsValid() {
			valid = append(valid, p)
		}
	}
	ranges := sourceRanges(valid)
	return append(ranges[config.IPv4], ranges[config.IPv6]...)
}

// groupFor is the group that takes the first packet of a connection to t.
func (t Table) groupFor(p Packet, target Target) *Group {
	if target.Inside != nil && (p.Here || t.isPod(p.Src.Addr().Unmap())) {
		return target.Inside
	}
	return target.Group
}

func (t Table) isPod(addr netip.Addr) bool {
	return slices.ContainsFunc(t.pods, func(r config.Range) bool { return r.Contains(addr) })
}

// inside is the group for clients inside the cluster, of a Service port with
// policy Local; nil if there are no endpoints for them either.
func (w *builder) inside(p *config.ServicePort, key GroupKey) *Group {
	key.Local = false
	c := w.choose(p, key)
	if len(c.backends) == 0 {
		return nil
	}
	g := w.group(key, c)
	w.keep(g)
	return g
}

// insideID is the ID of the group for clients inside, 0 if there is none.
func (t Target) insideID() uint64 {
	if t.Inside == nil {
		return 0
	}
	return t.Inside.ID
}

// diffPods says which ranges of pods come and go.
func (d *Delta) diffPods(old, new []config.Range) {
	without := func(list, other []config.Range) []config.Range {
		return slices.DeleteFunc(slices.Clone(list), func(r config.Range) bool { return slices.Contains(other, r) })
	}
	d.NewPods, d.OldPods = without(new, old), without(old, new)
}
