package ipam

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Times are whole seconds, as the API keeps them, so that a new leader reads
// what the one before wrote. A rest is never shorter than its pool says.
func floor(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func ceil(t time.Time) time.Time { return floor(t.Add(time.Second - 1)) }

// memory is what is known of addr in the draft, or nil.
func (d *draft) memory(addr netip.Addr) *Memory {
	if m, ok := d.memories[addr]; ok {
		return m
	}
	m, _ := d.prev.memories.Get(addr)
	return m
}

// resting is the memory of an address that rests, or nil.
func (d *draft) resting(addr netip.Addr) *Memory {
	if m := d.memory(addr); m != nil && m.State == config.ReservationReleased {
		return m
	}
	return nil
}

// end is the place of a rest in the queue of all rests: by its end, then by
// its beginning.
func (m *Memory) end() wide { return wide{uint64(max(0, m.FreeAt.Unix())), m.turn} }

// rest keeps an address free until its rest ends.
func (d *draft) rest(m *Memory) {
	d.next.turn++
	m.turn = d.next.turn
	d.next.rests = d.next.rests.with(d.made, m.end(), m.Addr)
	d.memories[m.Addr] = m
	d.keepFree(m.Addr)
}

// unrest ends the rest m: its time came, or somebody may have the address.
func (d *draft) unrest(m *Memory) {
	d.next.rests = d.next.rests.without(d.made, m.end())
	d.memories[m.Addr] = nil
	d.keepFree(m.Addr)
}

// keepFree lets addr be kept free, or not, as rests and reservations say.
func (d *draft) keepFree(addr netip.Addr) {
	t := d.tenants(addr)
	keep := d.resting(addr) != nil || d.next.claims.owner[addr] != nil
	switch {
	case keep == t.hasNobody():
	case keep:
		d.assign(addr, t, t.add(nobody))
	default:
		d.assign(addr, t, t.without(nobody))
		d.freed = true
	}
}

// wake ends the rests whose time came.
func (d *draft) wake() {
	for {
		at, addr, ok := d.next.rests.next(wide{})
		if !ok || at.hi > uint64(max(0, d.now.Unix())) {
			return
		}
		d.unrest(d.memory(addr))
	}
}

// forgetMemories ends the rests of addrs at once. What a Service holds is
// remembered anew.
func (d *draft) forgetMemories(addrs []netip.Addr) {
	for _, addr := range addrs {
		switch m := d.memory(addr); {
		case m == nil:
		case m.State == config.ReservationReleased:
			d.unrest(m)
		default:
			d.rewrite = append(d.rewrite, addr)
		}
	}
}

// loss is an address that a Service held.
type loss struct {
	addr netip.Addr
	by   *Entry
}

// release lets the addresses rest that nobody holds any more.
func (d *draft) release() {
	slices.SortFunc(d.losses, func(a, b loss) int {
		return cmp.Or(a.addr.Compare(b.addr), elder(a.by.Service, b.by.Service))
	})
	for i, lost := range d.losses {
		if i > 0 && d.losses[i-1].addr == lost.addr || d.holder(lost.addr, config.Key{}) != nil {
			continue
		}
		m := Memory{Addr: lost.addr, For: lost.by.Service.Key}
		if old := d.memory(lost.addr); old != nil {
			m.For, m.Bound = old.For, old.Bound
			d.memories[lost.addr] = nil
		}
		d.letRest(m)
	}
	d.losses = nil
}

// letRest begins the rest of m's address, if its pool wants one.
func (d *draft) letRest(m Memory) {
	p := d.next.layout.poolOf(m.Addr)
	if p == nil || !p.Remembers() {
		return
	}
	m.Pool, m.PoolLabels, m.State = p.Name, p.Labels, config.ReservationReleased
	m.Released = floor(d.now)
	m.RetainedTo, m.FreeAt = m.Released, ceil(d.now.Add(max(p.Retain, p.ReuseAfter)))
	if p.Retain > 0 {
		m.RetainedTo = ceil(d.now.Add(p.Retain))
	}
	d.rest(&m)
}

// holder returns who holds addr: the Service of that key if it does, else the
// eldest.
func (d *draft) holder(addr netip.Addr, key config.Key) (by *Entry) {
	for e := range d.tenants(addr).all() {
		switch {
		case !e.holds(addr):
		case e.Service.Key == key:
			return e
		case by == nil || elder(e.Service, by.Service) < 0:
			by = e
		}
	}
	return by
}
