package ipam

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Memory is what is known of one address beyond the life of the Service that
// has it: what its managed IPReservation shall say. Times are whole seconds,
// and zero where they do not apply.
type Memory struct {
	Addr       netip.Addr
	For        config.Key // the Service that has it, one of them if several share it; or that had it
	Pool       string     // where it came from, as in [Held]
	PoolLabels map[string]string
	State      config.ReservationState // Bound or Released
	Bound      time.Time               // since when For has it
	Released   time.Time               // when For let go of it
	RetainedTo time.Time               // until then For gets it back before anything else
	FreeAt     time.Time               // until then nobody else gets it; then the memory ends

	turn uint64 // tells rests that end at once apart
}

func (m *Memory) same(o *Memory) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.Addr == o.Addr && m.For == o.For && m.Pool == o.Pool && maps.Equal(m.PoolLabels, o.PoolLabels) &&
		m.State == o.State && m.Bound.Equal(o.Bound) && m.Released.Equal(o.Released) &&
		m.RetainedTo.Equal(o.RetainedTo) && m.FreeAt.Equal(o.FreeAt)
}

// Memory is what a managed IPReservation of addr shall say; false: there shall
// be none.
func (l Ledger) Memory(addr netip.Addr) (Memory, bool) {
	m, ok := l.memories.Get(addr)
	if !ok {
		return Memory{}, false
	}
	return *m, true
}

// Memories ranges over all there are, in no particular order.
func (l Ledger) Memories() iter.Seq[Memory] {
	return func(yield func(Memory) bool) {
		for _, m := range l.memories.All() {
			if !yield(*m) {
				return
			}
		}
	}
}

// Due is when the next rest ends: plan again then, something may be free that
// somebody waits for. Zero: never.
func (l Ledger) Due() time.Time {
	if _, addr, ok := l.rests.next(wide{}); ok {
		m, _ := l.Memory(addr)
		return m.FreeAt
	}
	return time.Time{}
}

// note remembers to look at addr when the round is over.
func (d *draft) note(h Held) {
	if d.mindful || h.Lost {
		d.notes = append(d.notes, h.Addr)
	}
}

func (d *draft) noteEntry(e *Entry) {
	if e == nil {
		return
	}
	for _, h := range e.Held {
		d.note(h)
	}
	if d.mindful {
		d.notes = append(d.notes, e.Leaving()...)
	}
}

// remember writes down what is known of an address that somebody holds.
func (d *draft) remember(addr netip.Addr) {
	old := d.memory(addr)
	m := &Memory{Addr: addr, State: config.ReservationBound, Bound: floor(d.now)}
	if old != nil {
		m.For = old.For
	}
	e := d.holder(addr, m.For)
	if e == nil {
		return // it rests, or nothing is known
	}
	h := e.Held[slices.IndexFunc(e.Held, func(h Held) bool { return h.Addr == addr })]
	p := d.next.layout.poolOf(addr)
	m.For = e.Service.Key
	if p != nil && !p.Remembers() || d.next.claims.names(addr, m.For) {
		if old != nil {
			d.memories[addr] = nil
		}
		return
	}
	r := d.records[addr]
	if r != nil && !r.Holds(m.For, addr) {
		r = nil
	}
	m.Pool = h.Pool
	switch {
	case old != nil && old.State == config.ReservationBound:
		m.PoolLabels = d.labelsOf(m.Pool, old.Pool, old.PoolLabels)
		if old.For == m.For {
			m.Bound = old.Bound
		}
	case r != nil:
		m.PoolLabels = d.labelsOf(m.Pool, r.Status.Pool, r.Status.PoolLabels)
		m.Bound = r.Status.Bound
	default:
		m.PoolLabels = d.labelsOf(m.Pool, "", nil)
	}
	if !m.same(old) {
		d.memories[addr] = m
	}
}

// remembered writes what changed in the memories into the ledger.
func (d *draft) remembered() (changed []netip.Addr) {
	if len(d.memories)+len(d.rewrite) == 0 {
		return nil
	}
	memories, rested := d.next.memories.Edit(), map[config.Key][]netip.Addr{}
	for addr, m := range d.memories {
		was, _ := d.prev.memories.Get(addr)
		if m == nil {
			memories.Delete(addr)
		} else {
			memories.Set(addr, m)
		}
		if !m.same(was) {
			changed = append(changed, addr)
		}
		d.reindex(rested, was, m)
	}
	d.next.memories = memories.Done()
	e := d.next.rested.Edit()
	for key, list := range rested {
		if len(list) == 0 {
			e.Delete(key)
		} else {
			e.Set(key, list)
		}
	}
	d.next.rested = e.Done()
	changed = append(changed, d.rewrite...)
	slices.SortFunc(changed, netip.Addr.Compare)
	return slices.Compact(changed)
}

// reindex lists the address of a rest under the Service that it is kept for.
func (d *draft) reindex(rested map[config.Key][]netip.Addr, was, now *Memory) {
	for _, m := range []*Memory{was, now} {
		if m == nil || m.State != config.ReservationReleased {
			continue
		}
		list, ok := rested[m.For]
		if !ok {
			list, _ = d.prev.rested.Get(m.For)
		}
		list = slices.DeleteFunc(slices.Clone(list), func(a netip.Addr) bool { return a == m.Addr })
		if m == now {
			list = append(list, m.Addr)
		}
		rested[m.For] = list
	}
}

// keepsakes lists the addresses that are kept for the Service: those that
// somebody reserved for it, the eldest reservation first, then those that it
// gave up and may have back, the latest first. known counts the former.
func (d *draft) keepsakes(svc *config.Service) (out []netip.Addr, known int) {
	for _, r := range d.next.claims.byFor[svc.Key] {
		for _, addr := range r.Addrs {
			if addr = addr.Unmap(); d.next.claims.owner[addr] == r {
				out = append(out, addr)
			}
		}
	}
	known = len(out)
	rested, _ := d.prev.rested.Get(svc.Key)
	for _, addr := range slices.Concat(rested, d.rested[svc.Key]) {
		m := d.resting(addr)
		if m != nil && m.For == svc.Key && (d.now.Before(m.RetainedTo) || d.owes(svc, addr)) {
			out = append(out, addr)
		}
	}
	slices.SortFunc(out[known:], func(a, b netip.Addr) int {
		return cmp.Or(d.memory(b).Released.Compare(d.memory(a).Released), a.Compare(b))
	})
	return out, known
}

// owes tells whether svc had addr when the leader before died, and shows no
// other of the family since.
func (d *draft) owes(svc *config.Service, addr netip.Addr) bool {
	return d.owed[addr] && !slices.ContainsFunc(svc.Addrs, func(a netip.Addr) bool { return config.FamilyOf(a) == config.FamilyOf(addr) })
}

// Resting is how many released addresses are kept free still.
func (l Ledger) Resting() int64 {
	return l.rests.count(wide{}, wide{math.MaxUint64, math.MaxUint64})
}
