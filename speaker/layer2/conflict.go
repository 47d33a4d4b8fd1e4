package layer2

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// defendEvery is the least time between two defences of an address
	// (DEFEND_INTERVAL of RFC 5227, 1.1).
	defendEvery = 10 * time.Second
	// conflictOver is after how long without a word a stranger counts as gone.
	conflictOver = time.Minute
)

// Conflict is a stranger, no member, that has an address this node answers for.
type Conflict struct {
	Addr netip.Addr
	Link string // where it was heard
	MAC  string // of the stranger
}

// conflicts are those of the addresses that are answered for. An address is
// defended once when a stranger appears (RFC 5227, 2.4): with somebody who
// insists there would be no end. It is pure: times are arguments.
type conflicts map[netip.Addr]*conflict

type conflict struct {
	link     linkKey
	mac      hardware
	last     time.Duration // heard
	defended time.Duration // when it was last defended
	defend   bool          // now
	over     bool          // kept to remember when it was defended
}

// heard notes that a stranger has addr; began tells that it did not before.
func (c conflicts) heard(addr netip.Addr, link linkKey, mac hardware, now time.Duration) (began bool) {
	a, known := c[addr]
	if !known {
		a = &conflict{over: true}
		c[addr] = a
	}
	if began = a.over; began {
		a.defend = !known || now-a.defended >= defendEvery
		a.link, a.mac, a.over = link, mac, false
	}
	a.last = now
	return began
}

// next takes the addresses to defend now and forgets what is over; changed
// tells that something is.
func (c conflicts) next(claims claimSet, now time.Duration) (out []target, changed bool) {
	for addr, a := range c {
		if !claims.owns(a.link, addr) {
			delete(c, addr)
			changed = changed || !a.over
			continue
		}
		if a.defend {
			a.defend, a.defended = false, now
			out = append(out, target{a.link, addr})
		}
		if !a.over && now-a.last > conflictOver {
			a.over, changed = true, true
		}
	}
	return out, changed
}

// list is what is not over, sorted.
func (c conflicts) list() []Conflict {
	var out []Conflict
	for addr, a := range c {
		if !a.over {
			out = append(out, Conflict{addr, a.link.name, a.mac.String()})
		}
	}
	slices.SortFunc(out, func(a, b Conflict) int { return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Link, b.Link)) })
	return out
}
