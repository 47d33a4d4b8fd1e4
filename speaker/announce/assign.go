package announce

import (
	"net/netip"
	"slices"
)

// loads counts the addresses of each node.
type loads []int

// assign finds the owner of every seat. Addresses that had one before are each
// decided alone, so that nodes which do not see quite the same members still
// agree on most; then those that nobody has had are spread; and last those go
// home that may. Both follow from the loads and the sites that they are about.
func (e *editor) assign() {
	e.opens, e.aways = e.open.in(e.prev.open, compareSites), e.away.in(e.prev.away, compareSites)
	if e.open.none() && e.away.none() && slices.Equal(e.load, e.prev.load) {
		return
	}
	v, load := e.view, slices.Clone(e.load)
	for _, s := range e.opens {
		owner := v.place(s, load)
		if owner >= 0 {
			load[owner]++
		}
		e.give(s, owner)
	}
	for _, s := range e.aways {
		owner := v.homeward(s, s.heir, load)
		load.move(s.heir, owner)
		e.give(s, owner)
	}
}

// give makes owner that of s.
func (e *editor) give(s *site, owner int) {
	if f, ok := e.fresh[s.addr]; ok {
		f.owner = owner
	} else if was, _ := e.prev.seats.Get(s.addr); was.owner != owner {
		e.fresh[s.addr] = &seat{site: s, owner: owner}
	}
}

// place is the node to which s, which nobody has had, is given first.
func (v *view) place(s *site, load loads) int {
	best := v.best(s)
	return v.first(s.addr, best, load, load.limit(best, -1))
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

// homeward is the home of s, if it is not the owner and has fewer addresses and
// is not fresh; else the owner. A weak owner is left alone: it is about to be
// itself again.
func (v *view) homeward(s *site, owner int, load loads) int {
	if s.home == owner || v.nodes[s.home].fresh || v.nodes[owner].weak {
		return owner
	}
	best := v.best(s)
	stranger := !slices.Contains(best, owner)
	if (stranger || load[s.home] < load[owner]) && load[s.home] < load.limit(best, owner) {
		return s.home
	}
	return owner
}

// move notes that an address goes from one node to another.
func (l loads) move(from, to int) {
	l[from]--
	l[to]++
}
