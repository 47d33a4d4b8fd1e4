package announce

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

// seat is one address that some node is to own, for all Services that share it.
type seat struct {
	addr  netip.Addr
	group []want
	rec   *config.L2Claim // nil: nobody has had it
	set   []bool          // the nodes that could own it, by place in view.nodes
	owner int             // place in view.nodes; -1: none
}

// seats are the addresses that advertisements announce on the LAN, in order.
func (v *view) seats() []seat {
	out := make([]seat, 0, len(v.wants))
	for rest := v.wants; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].addr == rest[0].addr {
			n++
		}
		group := make([]want, 0, n)
		for _, w := range rest[:n] {
			if len(w.l2) > 0 {
				group = append(group, w)
			}
		}
		if len(group) > 0 {
			s := seat{addr: group[0].addr, group: group, set: v.candidates(group), owner: -1}
			s.rec, _ = v.in.Snap.Claims.Get(s.addr)
			out = append(out, s)
		}
		rest = rest[n:]
	}
	return out
}

// loads counts the addresses of each node.
type loads []int

// assign finds the owner of every seat. Addresses that had one before are each
// decided alone, so that nodes which do not see quite the same members still
// agree on most; then those that nobody has had are spread; and last those go
// home that may.
func (v *view) assign(seats []seat) loads {
	load := make(loads, len(v.nodes))
	for i := range seats {
		s := &seats[i]
		if s.rec == nil {
			continue
		}
		if s.owner = v.heir(s); s.owner >= 0 {
			load[s.owner]++
		}
	}
	for i := range seats {
		s := &seats[i]
		if s.rec != nil {
			continue
		}
		best := v.best(s)
		if s.owner = v.first(s.addr, best, load, load.limit(best, -1)); s.owner >= 0 {
			load[s.owner]++
		}
	}
	for i := range seats {
		if s := &seats[i]; s.rec != nil && s.owner >= 0 && v.returns(s) {
			v.move(s, v.home(s, load), load)
		}
	}
	return load
}

// heir is the owner of an address that has had one: the node that is wanted,
// if it could own it and is up to it; else the recorded owner, while it could;
// else the successor by hash alone.
func (v *view) heir(s *seat) int {
	if i, ok := v.index[s.rec.Wanted]; ok && s.able(i) && !v.nodes[i].weak {
		return i
	}
	if i, ok := v.index[s.rec.Owner]; ok && s.able(i) {
		return i
	}
	return v.first(s.addr, v.best(s), nil, 0)
}

func (s *seat) able(i int) bool { return i < len(s.set) && s.set[i] }

// returns tells whether an advertisement lets the address of s go home.
func (v *view) returns(s *seat) bool {
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
func (v *view) best(s *seat) []int {
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
func (v *view) weight(s *seat, i int) (sum int) {
	for j := range s.group {
		for _, ad := range s.group[j].l2 {
			if a := &v.ads[ad]; a.weigh != nil && a.able[i] {
				sum += a.weigh[i]
			}
		}
	}
	return sum
}

// first is the node among places with the highest score for addr, of those
// that load says are below limit; -1 if there is none. A nil load bounds nobody.
func (v *view) first(addr netip.Addr, places []int, load loads, limit int) int {
	best, bestScore := -1, uint64(0)
	for _, i := range places {
		if load != nil && load[i] >= limit {
			continue
		}
		if s := score(v.nodes[i].hash, addr); best < 0 || s > bestScore {
			best, bestScore = i, s
		}
	}
	return best
}

// limit is how many addresses a node among places may have, so that none has
// more than 1.25 times the mean, nor than one above it, once they have another
// one: that of owner, unless it is one of theirs already.
func (l loads) limit(places []int, owner int) int {
	total, n := 1, len(places)
	for _, i := range places {
		total += l[i]
		if i == owner {
			total--
		}
	}
	if n == 0 {
		return 0
	}
	return max((total+n-1)/n, 5*total/(4*n))
}

// home is the node that the hash would give s to, if it is not the owner and
// has fewer addresses and is not fresh; else the owner. A weak owner is left
// alone: it is about to be itself again.
func (v *view) home(s *seat, load loads) int {
	if v.nodes[s.owner].weak {
		return s.owner
	}
	best := v.best(s)
	first := v.first(s.addr, best, nil, 0)
	stranger := true
	for _, i := range best {
		stranger = stranger && i != s.owner
	}
	if !v.nodes[first].fresh && load[first] < load.limit(best, s.owner) && (stranger || load[first] < load[s.owner]) {
		return first
	}
	return s.owner
}

// move makes to the owner of s.
func (v *view) move(s *seat, to int, load loads) {
	load[s.owner]--
	load[to]++
	s.owner = to
}
