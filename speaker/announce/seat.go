package announce

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// site is one address with all that decides about it, save for how many others
// each node has.
type site struct {
	addr  netip.Addr
	wants []*want         // of all Services that share it, by Service
	group []*want         // those of wants that advertisements announce on the LAN
	rec   *config.L2Claim // nil: nobody has had it
	set   []bool          // the nodes that could own it, by place in view.nodes
	heir  int             // place of the node that the record leads to; -1: none
	home  int             // where it may go back to; -1: it goes nowhere
}

// seat is a site with its owner and what this node says about it.
type seat struct {
	*site
	owner int // place in view.nodes; -1: none
	said  said
}

// site makes the site of addr, which the Services of wants share.
func (v *view) site(addr netip.Addr, wants []*want) *site {
	slices.SortStableFunc(wants, func(a, b *want) int { return a.svc.Key.Compare(b.svc.Key) })
	s := &site{addr: addr, wants: wants, heir: -1, home: -1}
	s.rec, _ = v.in.Snap.Claims.Get(addr)
	silent := func(w *want) bool { return len(w.l2) == 0 }
	if s.group = wants; slices.ContainsFunc(wants, silent) {
		s.group = slices.DeleteFunc(slices.Clone(wants), silent)
	}
	if len(s.group) == 0 {
		return s
	}
	s.set = v.candidates(s.group)
	if s.rec == nil {
		return s
	}
	s.heir = v.heir(s)
	if s.heir >= 0 && v.returns(s) {
		s.home = v.first(addr, v.best(s), nil, 0)
	}
	return s
}

// open tells whether s is to be given to one of several nodes for the first time.
func (s *site) open() bool { return s.rec == nil && slices.Contains(s.set, true) }

// away tells whether s has another home than its heir.
func (s *site) away() bool { return s.home >= 0 && s.home != s.heir }

func compareSites(a, b *site) int { return a.addr.Compare(b.addr) }

// heir is the owner of an address that has had one: the node that is wanted,
// if it could own it and is up to it; else the recorded owner, while it could;
// else the successor by hash alone.
func (v *view) heir(s *site) int {
	if i, ok := v.index[s.rec.Wanted]; ok && s.able(i) && !v.nodes[i].weak {
		return i
	}
	if i, ok := v.index[s.rec.Owner]; ok && s.able(i) {
		return i
	}
	return v.first(s.addr, v.best(s), nil, 0)
}

func (s *site) able(i int) bool { return i < len(s.set) && s.set[i] }

// returns tells whether an advertisement lets the address of s go home.
func (v *view) returns(s *site) bool {
	for i := range s.group {
		for _, ad := range s.group[i].l2 {
			if v.ads[ad].ad.OnReturn {
				return true
			}
		}
	}
	return false
}

// best are the places of the nodes that could own s and come before others:
// those that are up to it before weak ones, then those of the greatest weight.
// The list is good until best is called again.
func (v *view) best(s *site) []int {
	best, weak, weight := v.places[:0], true, -1
	for i, in := range s.set {
		if !in || v.nodes[i].weak && !weak {
			continue
		}
		w := v.weight(s, i)
		switch {
		case weak && !v.nodes[i].weak, w > weight:
			best, weak, weight = append(best[:0], i), v.nodes[i].weak, w
		case w == weight:
			best = append(best, i)
		}
	}
	v.places = best
	return best
}

// weight is what the advertisements of s give node i.
func (v *view) weight(s *site, i int) (sum int) {
	for j := range s.group {
		for _, ad := range s.group[j].l2 {
			if a := &v.ads[ad]; a.weigh != nil && a.able[i] {
				sum += a.weigh[i]
			}
		}
	}
	return sum
}
