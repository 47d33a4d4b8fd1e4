package ipam

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// claims is what is worked out once for a set of manual reservations and
// pools.
type claims struct {
	all     []*config.Reservation                  // eldest first
	byAddr  map[netip.Addr][]*config.Reservation   // all that name the address
	byFor   map[config.Key][]*config.Reservation   // by the Service they are for
	byKey   map[config.Key]*config.Reservation     // by their own key
	owner   map[netip.Addr]*config.Reservation     // for whom the address is kept
	refused map[config.Key]map[netip.Addr]*Refusal // by reservation: what it does not keep, and why
}

// noClaims are those of no reservation.
var noClaims = &claims{}

// manual lists the reservations that somebody made by hand, eldest first.
func manual(list []*config.Reservation) []*config.Reservation {
	var out []*config.Reservation
	for _, r := range list {
		if !r.Managed {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *config.Reservation) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return a.Key.Compare(b.Key)
	})
	return out
}

func claimsOf(all []*config.Reservation, l *layout) *claims {
	if len(all) == 0 {
		return noClaims
	}
	c := &claims{
		all: all, byAddr: map[netip.Addr][]*config.Reservation{}, byFor: map[config.Key][]*config.Reservation{},
		byKey: map[config.Key]*config.Reservation{}, owner: map[netip.Addr]*config.Reservation{},
		refused: map[config.Key]map[netip.Addr]*Refusal{},
	}
	for _, r := range all {
		c.byFor[r.For()] = append(c.byFor[r.For()], r)
		c.byKey[r.Key] = r
		for _, addr := range r.Addrs {
			addr = addr.Unmap()
			c.byAddr[addr] = append(c.byAddr[addr], r)
			if no := c.judge(l, r, addr); no == nil {
				c.owner[addr] = r
			} else if c.refused[r.Key] == nil {
				c.refused[r.Key] = map[netip.Addr]*Refusal{addr: no}
			} else {
				c.refused[r.Key][addr] = no
			}
		}
	}
	return c
}

// judge says why addr cannot be kept by r, whoever has it; nil if it can.
func (c *claims) judge(l *layout, r *config.Reservation, addr netip.Addr) *Refusal {
	no := &Refusal{Service: r.For(), Reason: AddressNotInPool, Remedy: "reserve another address, or add this one to a pool"}
	p := l.poolOf(addr)
	switch {
	case p == nil:
		no.Message = fmt.Sprintf("%v lies in none of the pools (%s)", addr, poolNames(l.pools))
	case avoided(p, addr):
		no.Message = fmt.Sprintf("%v ends in .0 or .255, and pool %q has avoidBuggyIPs on", addr, p.Name)
	case p.Draining:
		no.Reason, no.Remedy = NoMatchingPool, "reserve an address of another pool, or set the pool's state to Active"
		no.Message = fmt.Sprintf("%v lies in pool %q, which is draining", addr, p.Name)
	case barsNamespace(p, r.Namespace):
		no.Reason, no.Remedy = NoMatchingPool, "reserve an address of another pool, or widen the pool's serviceAllocation"
		no.Message = fmt.Sprintf("%v lies in pool %q, which is not for namespace %s", addr, p.Name, r.Namespace)
	case c.owner[addr] != nil:
		o := c.owner[addr]
		no.Reason, no.Remedy = AddressInUse, "reserve another address, or delete one of the two reservations"
		no.Message = fmt.Sprintf("%v is reserved for %v by the IPReservation %v, which is older", addr, o.For(), o.Key)
	default:
		return nil
	}
	return no
}

// barsNamespace tells whether p serves no Service of the namespace, whatever
// its labels.
func barsNamespace(p *config.Pool, namespace string) bool {
	a := p.Allocation
	return a != nil && len(a.Namespaces) > 0 && len(a.NamespaceSelectors) == 0 && !slices.Contains(a.Namespaces, namespace)
}

// names tells whether one of the manual reservations is of addr for the Service.
func (c *claims) names(addr netip.Addr, svc config.Key) bool {
	return slices.ContainsFunc(c.byAddr[addr], func(r *config.Reservation) bool { return r.For() == svc })
}

// reclaim takes in the manual reservations as they are now.
func (d *draft) reclaim(all []*config.Reservation) {
	before := d.next.claims
	d.next.claims = claimsOf(all, d.next.layout)
	d.standAll = true
	for _, c := range []*claims{before, d.next.claims} {
		for addr := range c.byAddr {
			d.notes = append(d.notes, addr)
		}
	}
	slices.SortFunc(d.notes, netip.Addr.Compare)
	for _, addr := range d.notes {
		d.keepFree(addr)
	}
}
