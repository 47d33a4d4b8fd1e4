package announce

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Move is an address that would be better off with another owner.
type Move struct {
	Addr     netip.Addr
	Services []config.Key
	From, To string
}

// Rebalance says which addresses should move so that the nodes are loaded
// evenly again: those go home whose first choice by hash has fewer addresses
// than their owner, and then owners give away what they have beyond their
// limit. In that order they may move, one by one. It is a pure function of
// in, which needs no Self.
func Rebalance(in Input) []Move {
	d := Update(Decision{}, in)
	v, seats, load := d.view, d.homed(), make(loads, len(d.view.nodes))
	for _, s := range seats {
		load[s.owner]++
	}
	// It ends: each round brings more addresses home, or evens out the loads.
	for settled := false; !settled; {
		settled = !pass(seats, load, v.homeward)
		settled = !pass(seats, load, v.relief) && settled
	}
	var out []Move
	for _, s := range seats {
		if s.rec == nil || v.nodes[s.owner].name == s.rec.Owner || !v.holds(s.site) {
			continue
		}
		m := Move{Addr: s.addr, From: s.rec.Owner, To: v.nodes[s.owner].name}
		for _, w := range s.group {
			m.Services = append(m.Services, w.svc.Key)
		}
		out = append(out, m)
	}
	return out
}

// homed are the seats that have an owner, in order, to be changed; all that have
// had one before may go home.
func (d *Decision) homed() []*seat {
	var out []*seat
	for _, s := range d.seats.All() {
		if s.owner < 0 {
			continue
		}
		at := *s.site
		at.home = d.view.first(at.addr, d.view.best(&at), nil, 0)
		out = append(out, &seat{site: &at, owner: s.owner})
	}
	slices.SortFunc(out, func(a, b *seat) int { return a.addr.Compare(b.addr) })
	return out
}

// pass moves what better finds a better place for, and tells whether anything.
func pass(seats []*seat, load loads, better func(s *site, owner int, load loads) int) (moved bool) {
	for _, s := range seats {
		if s.rec == nil {
			continue
		}
		if to := better(s.site, s.owner, load); to != s.owner {
			load.move(s.owner, to)
			s.owner, moved = to, true
		}
	}
	return moved
}

// holds tells whether the recorded owner of s could own it: what it could not
// is taken over anyway.
func (v *view) holds(s *site) bool {
	i, ok := v.index[s.rec.Owner]
	return ok && s.able(i)
}

// relief is the node that takes s from an owner with too many addresses; the
// owner if it has not.
func (v *view) relief(s *site, owner int, load loads) int {
	if v.nodes[owner].weak {
		return owner
	}
	best := v.best(s)
	limit := load.limit(best, owner)
	if load[owner] <= limit {
		return owner
	}
	if to := v.first(s.addr, best, load, limit); to >= 0 {
		return to
	}
	return owner
}
