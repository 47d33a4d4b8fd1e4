package ipam

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// recollect is what a new leader knows of the one before besides the statuses
// of Services: the managed reservations, by address, and who may have what
// back though no rest says so.
type recollect struct {
	records map[netip.Addr]*config.Reservation
	owed    map[netip.Addr]bool
	rested  map[config.Key][]netip.Addr
}

// recordsOf picks the managed reservation of each address. Of several, one
// that is bound counts, else the newest.
func recordsOf(list []*config.Reservation) map[netip.Addr]*config.Reservation {
	out := map[netip.Addr]*config.Reservation{}
	for _, r := range list {
		if !r.Managed {
			continue
		}
		for _, addr := range r.Addrs {
			if have := out[addr.Unmap()]; have == nil || newerRecord(r, have) {
				out[addr.Unmap()] = r
			}
		}
	}
	return out
}

func newerRecord(a, b *config.Reservation) bool {
	if ab, bb := a.Status.State == config.ReservationBound, b.Status.State == config.ReservationBound; ab != bb {
		return ab
	}
	if c := a.Status.Bound.Compare(b.Status.Bound); c != 0 {
		return c > 0
	}
	if c := a.Status.Released.Compare(b.Status.Released); c != 0 {
		return c > 0
	}
	return a.Key.Compare(b.Key) < 0
}

// remind lets those recorded addresses rest that nobody holds. What a Service
// had when the leader before died and shows no more, it lost while nobody led,
// or was just given: it may have it back, now or never.
func (d *draft) remind() {
	for _, addr := range sortedAddrs(d.records) {
		r := d.records[addr]
		d.rewrite = append(d.rewrite, addr) // it may have ended
		if d.holder(addr, config.Key{}) != nil {
			continue
		}
		m := Memory{Addr: addr, For: r.For(), Bound: r.Status.Bound, Pool: r.Status.Pool, PoolLabels: r.Status.PoolLabels}
		switch {
		case r.Status.State == config.ReservationBound:
			d.letRest(m)
			d.owed[addr] = true
		case r.Status.State == config.ReservationReleased && r.Status.FreeAt.After(d.now):
			m.State, m.Released = r.Status.State, r.Status.Released
			m.RetainedTo, m.FreeAt = r.Status.RetainedTo, ceil(r.Status.FreeAt)
			d.rest(&m)
		}
		if d.resting(addr) != nil {
			d.rested[m.For] = append(d.rested[m.For], addr)
		}
	}
}

func sortedAddrs[V any](m map[netip.Addr]V) []netip.Addr {
	out := make([]netip.Addr, 0, len(m))
	for addr := range m {
		out = append(out, addr)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
