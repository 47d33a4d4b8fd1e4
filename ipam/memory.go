package ipam

import (
	"iter"
	"maps"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Memory is what is known of one address beyond the life of the Service that
// has it: what its managed IPReservation shall say. Times are zero where they
// do not apply.
type Memory struct {
	Addr       netip.Addr
	For        config.Key // the Service that has it, the eldest if several share it; or that had it
	Pool       string     // where it came from, as in [Held]
	PoolLabels map[string]string
	State      config.ReservationState // Bound or Released
	Bound      time.Time               // since when For has it
	Released   time.Time               // when For let go of it
	RetainedTo time.Time               // until then For gets it back before anything else
	FreeAt     time.Time               // until then nobody else gets it; then the memory ends
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
func (l Ledger) Due() time.Time { return time.Time{} }
