package ipam

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// wear is what pools with the strategy LeastRecentlyUsed must know: which of
// their addresses were used before, and since when they are free. Nothing of it
// outlives the ledger.
type wear struct {
	turn  uint64            // grows with each address that becomes free
	seen  addrs[uint64]     // in use (0), or free since that turn; others were never used
	queue space[netip.Addr] // those that are free, by pool and family, then by turn
	ages  space[netip.Addr] // those that are free, by turn
}

// worn bounds how many free addresses are known as used. The one that is free
// for longest is forgotten first, and counts as never used.
const worn = 1 << 16

// lane is where a pool's free addresses of one family are in the queue.
func (l *layout) lane(p *config.Pool, f config.Family) uint64 { return l.lru[p]<<8 | uint64(f) }

// occupied notes that addr is in use.
func (d *draft) occupied(addr netip.Addr) {
	p := d.next.layout.poolOf(addr)
	if p == nil || d.next.layout.lru[p] == 0 {
		return
	}
	w := &d.next.wear
	if turn, _ := w.seen.get(addr); turn > 0 {
		d.unqueue(p, addr, turn)
	}
	w.seen = w.seen.with(d.made, addr, 0)
}

func (d *draft) unqueue(p *config.Pool, addr netip.Addr, turn uint64) {
	w := &d.next.wear
	w.queue = w.queue.without(d.made, wide{d.next.layout.lane(p, config.FamilyOf(addr)), turn})
	w.ages = w.ages.without(d.made, wide{lo: turn})
}

// queueFree lets those of the addresses queue that are free now, in the order
// given.
func (d *draft) queueFree(list []netip.Addr) {
	w := &d.next.wear
	for _, addr := range list {
		p := d.next.layout.poolOf(addr)
		if p == nil || d.next.layout.lru[p] == 0 || d.tenants(addr).first != nil {
			continue
		}
		if turn, _ := w.seen.get(addr); turn > 0 {
			continue // it is in the queue
		}
		if avoided(p, addr) {
			w.seen = w.seen.without(d.made, addr)
			continue
		}
		w.turn++
		w.seen = w.seen.with(d.made, addr, w.turn)
		w.queue = w.queue.with(d.made, wide{d.next.layout.lane(p, config.FamilyOf(addr)), w.turn}, addr)
		w.ages = w.ages.with(d.made, wide{lo: w.turn}, addr)
	}
	for w.ages.size() > worn {
		at, addr, _ := w.ages.next(wide{})
		d.unqueue(d.next.layout.poolOf(addr), addr, at.lo)
		w.seen = w.seen.without(d.made, addr)
	}
}

// settleWear notes which addresses the round made free.
func (d *draft) settleWear() {
	slices.SortFunc(d.vacant, netip.Addr.Compare)
	d.queueFree(d.vacant)
	d.vacant = nil
}

// rewear makes what is known of wear anew, for a new layout. Addresses in use
// are noted when they are settled.
func (d *draft) rewear() {
	before := d.next.wear
	d.next.wear = wear{turn: before.turn, seen: newAddrs[uint64]()}
	if len(d.next.layout.lru) == 0 {
		return
	}
	var list []netip.Addr
	for at, addr, ok := before.ages.next(wide{}); ok; at, addr, ok = before.ages.next(at.plus(wide{lo: 1})) {
		list = append(list, addr)
	}
	d.queueFree(list)
	for _, addr := range d.keptAddrs() {
		d.occupied(addr)
	}
}

// keptAddrs lists the addresses that rest or are reserved.
func (d *draft) keptAddrs() (out []netip.Addr) {
	for at, addr, ok := d.next.rests.next(wide{}); ok; at, addr, ok = d.next.rests.next(at.plus(wide{lo: 1})) {
		out = append(out, addr)
	}
	for addr := range d.next.claims.owner {
		out = append(out, addr)
	}
	return out
}

// leastRecent is the lowest address of p that was never used or, if there is
// none, the one that is free for longest.
func (d *draft) leastRecent(p *config.Pool, f config.Family) netip.Addr {
	for _, r := range p.Ranges {
		if config.FamilyOf(r.From) != f {
			continue
		}
		if addr := d.next.wear.seen.free(r.From, r.To, p.AvoidBuggyIPs); addr.IsValid() {
			return addr
		}
	}
	lane := d.next.layout.lane(p, f)
	if at, addr, ok := d.next.wear.queue.next(wide{hi: lane}); ok && at.hi == lane {
		return addr
	}
	return netip.Addr{}
}
