package ipam

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// wake ends the rest of an address that is given.
func (t *twin) wake(addr netip.Addr) {
	if t.memories[addr].State == config.ReservationReleased {
		delete(t.memories, addr)
	}
}

// holders lists who holds addr, the eldest first.
func (t *twin) holders(addr netip.Addr) (out []*Entry) {
	for _, e := range t.entries {
		if e.holds(addr) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *Entry) int { return elder(a.Service, b.Service) })
	return out
}

// release lets rest what was held before the round and is not now.
func (t *twin) release() {
	lost := map[netip.Addr]*Entry{}
	for _, e := range t.before.entries {
		for _, h := range e.Held {
			if o := lost[h.Addr]; len(t.holders(h.Addr)) == 0 && (o == nil || elder(e.Service, o.Service) < 0) {
				lost[h.Addr] = e
			}
		}
	}
	for addr, e := range lost {
		m := Memory{Addr: addr, For: e.Service.Key}
		if old, ok := t.memories[addr]; ok {
			m.For, m.Bound = old.For, old.Bound
		}
		delete(t.memories, addr)
		t.letRest(m)
	}
}

func (t *twin) letRest(m Memory) {
	p := config.PoolOf(t.pools, m.Addr)
	if p == nil || !p.Remembers() {
		return
	}
	m.State, m.Pool, m.PoolLabels = config.ReservationReleased, p.Name, p.Labels
	m.Released, m.RetainedTo, m.FreeAt = t.now, t.now.Add(p.Retain), t.now.Add(max(p.Retain, p.ReuseAfter))
	t.memories[m.Addr] = m
}

// remind is what a new leader reads from the records of the one before.
func (t *twin) remind() {
	for addr, r := range t.records {
		s := r.Status
		switch {
		case len(t.holders(addr)) > 0:
		case s.State == config.ReservationBound:
			t.letRest(Memory{Addr: addr, For: r.For(), Bound: s.Bound})
			t.owed[addr] = true
		case s.FreeAt.After(t.now):
			t.memories[addr] = Memory{
				Addr: addr, For: r.For(), Pool: s.Pool, PoolLabels: s.PoolLabels, State: s.State,
				Bound: s.Bound, Released: s.Released, RetainedTo: s.RetainedTo, FreeAt: s.FreeAt,
			}
		}
	}
}

// age notes which addresses of pools that give the least recently used became
// free, in the order of the addresses.
func (t *twin) age() {
	lru := func(a netip.Addr) bool {
		p := config.PoolOf(t.pools, a)
		return p != nil && p.Strategy == config.LeastRecentlyUsed && !avoided(p, a) && !t.taken(a)
	}
	t.freed = slices.DeleteFunc(slices.Clone(t.before.freed), func(a netip.Addr) bool { return !lru(a) })
	for _, p := range t.pools {
		for _, f := range []config.Family{config.IPv4, config.IPv6} {
			for _, a := range addrsOf(p, f) {
				if lru(a) && t.before.led && (t.before.taken(a) || slices.Contains(t.before.woken, a)) && !slices.Contains(t.freed, a) {
					t.freed = append(t.freed, a)
				}
			}
		}
	}
}

// remember says what is known of every address that somebody holds.
func (t *twin) remember() {
	for _, e := range t.entries {
		for _, h := range e.Held {
			old := t.memories[h.Addr]
			holders, by := t.holders(h.Addr), 0
			if i := slices.IndexFunc(holders, func(o *Entry) bool { return o.Service.Key == old.For }); i > 0 {
				by = i
			}
			if holders[by] == e {
				delete(t.memories, h.Addr)
				t.bind(e.Service.Key, h, old)
			}
		}
	}
	for addr, m := range t.memories {
		if m.State == config.ReservationBound && len(t.holders(addr)) == 0 {
			delete(t.memories, addr)
		}
	}
}

func (t *twin) bind(svc config.Key, h Held, old Memory) {
	p := config.PoolOf(t.pools, h.Addr)
	byHand := slices.ContainsFunc(t.reserved, func(r *config.Reservation) bool { return r.For() == svc && slices.Contains(r.Addrs, h.Addr) })
	if p != nil && !p.Remembers() || byHand {
		return
	}
	m := Memory{Addr: h.Addr, For: svc, Pool: h.Pool, State: config.ReservationBound, Bound: t.now}
	if r := t.records[h.Addr]; r != nil && r.Holds(svc, h.Addr) {
		m.Bound = r.Status.Bound
		old = Memory{Pool: r.Status.Pool, PoolLabels: r.Status.PoolLabels}
	} else if old.For == svc {
		m.Bound = old.Bound
	}
	m.PoolLabels = t.labels(h.Pool, old.Pool, old.PoolLabels)
	t.memories[h.Addr] = m
}

func (t *twin) labels(pool, known string, labels map[string]string) map[string]string {
	for _, p := range t.pools {
		if p.Name == pool {
			return p.Labels
		}
	}
	if pool == known {
		return labels
	}
	for _, p := range t.before.pools {
		if p.Name == pool {
			return p.Labels
		}
	}
	return nil
}

// stand says how every reservation stands.
func (t *twin) stand() {
	for _, r := range t.reserved {
		s := Standing{State: config.ReservationReserved}
		was, known := t.before.stands[r.Key]
		var pools []string
		for _, addr := range r.Addrs {
			pool, others := "", false
			if p := config.PoolOf(t.pools, addr); p != nil {
				pool = p.Name
			}
			for key, e := range t.entries {
				others = others || key != r.For() && e.occupies(addr)
			}
			if e := t.entries[r.For()]; e.has(addr) {
				s.State = config.ReservationBound
				for _, h := range e.Held {
					if h.Addr == addr {
						pool = h.Pool
					}
				}
			} else if t.owner(addr) != r || others {
				s.Refusal = &Refusal{Reason: "refused"}
			}
			if pool != "" && (len(pools) == 0 || pools[0] != pool) {
				pools = append(pools, pool)
			}
		}
		if s.Pool = strings.Join(pools, ","); len(pools) > 0 {
			s.PoolLabels = t.labels(pools[0], strings.Split(was.Pool, ",")[0], was.PoolLabels)
		}
		switch {
		case s.State == config.ReservationReserved && s.Refusal != nil:
			s.State = config.ReservationRefused
		case s.State == config.ReservationReserved:
		case was.State == config.ReservationBound:
			s.Bound = was.Bound
		case !known && r.Status.State == config.ReservationBound:
			s.Bound = r.Status.Bound
		default:
			s.Bound = t.now
		}
		t.stands[r.Key] = s
	}
}
