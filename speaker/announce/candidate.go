package announce

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// candidate is a node that may own addresses as far as the node goes.
type candidate struct {
	name  string
	hash  uint64
	node  *config.Node
	links []Link // nil: not known
	fresh bool   // nothing goes home to it yet
	weak  bool   // gets nothing new while a stronger one is there
}

// l2Ad is an L2Advertisement with what it means for each candidate.
type l2Ad struct {
	ad    *config.L2Advertisement
	able  []bool // by place in view.nodes: node selected and an interface there
	weigh []int  // by place in view.nodes: preferredNodeSelectors; nil: no difference
	picks bool   // this node is selected
	links []Link // of this node, permitted
}

// addCandidate takes up m if it may own something.
func (v *view) addCandidate(m Member) {
	node, ok := v.in.Snap.Nodes.Get(m.Node)
	if !ok || !m.Alive || m.Leaving || node.OutOfService || node.NetworkUnavailable ||
		node.Excluded() && !v.in.IgnoreExcludeLabel {
		return
	}
	status, ok := v.in.Snap.Speakers.Get(m.Node)
	unready := ok && !status.ForwarderReady && status.Forwarder != "off"
	v.nodes = append(v.nodes, candidate{
		name: m.Node, hash: hashBytes([]byte(m.Node)), node: node, links: m.Links,
		fresh: m.Fresh, weak: m.Restarting || unready,
	})
}

func (v *view) l2Ads(usable []Link) []l2Ad {
	ads := make([]l2Ad, len(v.in.Snap.L2))
	for i, ad := range v.in.Snap.L2 {
		a := l2Ad{ad: ad, able: make([]bool, len(v.nodes))}
		if len(ad.Preferred) > 0 {
			a.weigh = make([]int, len(v.nodes))
		}
		for j := range v.nodes {
			n := &v.nodes[j]
			a.able[j] = ad.PicksNode(n.node) && (n.links == nil ||
				slices.ContainsFunc(n.links, func(l Link) bool { return permitted(ad.Interfaces, l.Name) }))
			if a.weigh != nil {
				a.weigh[j] = ad.Weight(n.node)
			}
		}
		a.picks = v.self != nil && ad.PicksNode(v.self)
		for _, l := range usable {
			if permitted(ad.Interfaces, l.Name) {
				a.links = append(a.links, l)
			}
		}
		ads[i] = a
	}
	return ads
}

// eligible tells whether candidate i could serve w.
func (v *view) eligible(w *want, i int) bool {
	if !w.reach.any || w.svc.Local && !w.reach.on(v.nodes[i].name) {
		return false
	}
	return slices.ContainsFunc(w.l2, func(ad int) bool {
		a := &v.ads[ad]
		return a.able[i] && (!a.ad.RequireSubnet || v.near(a, w.addr, i))
	})
}

// onLink tells whether candidate i has a permitted interface on the subnet of
// w's address.
func (v *view) onLink(w *want, i int) bool {
	return slices.ContainsFunc(w.l2, func(ad int) bool { return v.ads[ad].able[i] && v.near(&v.ads[ad], w.addr, i) })
}

// near tells whether candidate i has an interface that a permits on the subnet
// of addr. A node whose interfaces are not known gets the benefit of the doubt:
// taking an address from its owner on a guess would be worse.
func (v *view) near(a *l2Ad, addr netip.Addr, i int) bool {
	links := v.nodes[i].links
	return links == nil || slices.ContainsFunc(links, func(l Link) bool {
		return permitted(a.ad.Interfaces, l.Name) && l.On(addr)
	})
}

// candidates marks the nodes that could own the address of group, which all
// its Services share: those that serve every Service that anybody can serve,
// or, if there is no such node, those that serve the first one. Nodes off the
// address's subnet count only if no other does.
func (v *view) candidates(group []*want) []bool {
	var all, first []bool
	for i := range group {
		set, some := make([]bool, len(v.nodes)), false
		for j := range set {
			set[j] = v.eligible(group[i], j)
			some = some || set[j]
		}
		switch {
		case !some:
		case all == nil:
			all, first = set, set
		default:
			all = slices.Clone(all) // first is kept
			for j := range all {
				all[j] = all[j] && set[j]
			}
		}
	}
	if !slices.Contains(all, true) {
		all = first
	}
	return v.preferOnLink(group, all)
}

func (v *view) preferOnLink(group []*want, set []bool) []bool {
	near := make([]bool, len(set))
	for i, in := range set {
		near[i] = in && slices.ContainsFunc(group, func(w *want) bool { return v.onLink(w, i) })
	}
	if slices.Contains(near, true) {
		return near
	}
	return set
}
