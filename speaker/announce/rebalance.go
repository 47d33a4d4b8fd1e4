package announce

import (
	"net/netip"

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
	v := newView(in)
	v.sortOut()
	seats := v.seats()
	load := v.assign(seats)
	// It ends: each round brings more addresses home, or evens out the loads.
	for settled := false; !settled; {
		settled = !v.pass(seats, load, v.home)
		settled = !v.pass(seats, load, v.relief) && settled
	}
	var out []Move
	for i := range seats {
		s := &seats[i]
		if s.rec == nil || s.owner < 0 || v.nodes[s.owner].name == s.rec.Owner || !v.holds(s) {
			continue
		}
		m := Move{Addr: s.addr, From: s.rec.Owner, To: v.nodes[s.owner].name}
		for j := range s.group {
			m.Services = append(m.Services, s.group[j].svc.Key)
		}
		out = append(out, m)
	}
	return out
}

// pass moves what better finds a better place for, and tells whether anything.
func (v *view) pass(seats []seat, load loads, better func(*seat, loads) int) (moved bool) {
	for i := range seats {
		s := &seats[i]
		if s.rec == nil || s.owner < 0 {
			continue
		}
		if to := better(s, load); to != s.owner {
			v.move(s, to, load)
			moved = true
		}
	}
	return moved
}

// holds tells whether the recorded owner of s could own it: what it could not
// is taken over anyway.
func (v *view) holds(s *seat) bool {
	i, ok := v.index[s.rec.Owner]
	return ok && s.able(i)
}

// relief is the node that takes s from an owner with too many addresses; the
// owner if it has not.
func (v *view) relief(s *seat, load loads) int {
	if v.nodes[s.owner].weak {
		return s.owner
	}
	best := v.best(s)
	limit := load.limit(best, s.owner)
	if load[s.owner] <= limit {
		return s.owner
	}
	if to := v.first(s.addr, best, load, limit); to >= 0 {
		return to
	}
	return s.owner
}
