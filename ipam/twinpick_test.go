package ipam

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// fill finds what got does not have: from one pool if it can, the near one
// first, else family by family.
func (t *twin) fill(w *work, lack []config.Family, got []Held) []Held {
	var rest []config.Family
	for _, f := range without(lack, got) {
		if !wishOf(w.Service, f).IsValid() {
			rest = append(rest, f)
		}
	}
	var order []*config.Pool
	for _, p := range layoutOf(t.pools).auto {
		if w.Service.Want.Pool == "" && declines(p, w.Request) == "" {
			order = append(order, p)
		}
	}
	for _, p := range t.pools {
		if p.Name == w.Service.Want.Pool && declines(p, w.Request) == "" {
			order = append(order, p)
		}
	}
	if i := slices.IndexFunc(order, func(p *config.Pool) bool { return p.Name == near(w, got) }); i > 0 {
		order = slices.Insert(slices.Delete(slices.Clone(order), i, i+1), 0, order[i])
	}
	for _, p := range order {
		if all := t.from([]*config.Pool{p}, rest, w.Service); len(all) == len(rest) {
			return append(got, all...)
		}
	}
	return append(got, t.from(order, rest, w.Service)...)
}

// from tries every address of every pool for each family.
func (t *twin) from(order []*config.Pool, families []config.Family, svc *config.Service) (out []Held) {
	for _, f := range families {
		for _, p := range order {
			if addr := t.choose(p, f, svc); addr.IsValid() {
				out = append(out, Held{Addr: addr, Pool: p.Name})
				break
			}
		}
	}
	return out
}

// addrsOf lists the usable addresses of p, one after another.
func addrsOf(p *config.Pool, f config.Family) (out []netip.Addr) {
	for _, r := range p.Ranges {
		for a := r.From; r.Contains(a) && config.FamilyOf(a) == f; a = a.Next() {
			if !avoided(p, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// choose is the lowest address of p that svc can share, else a free one in the
// order of the pool's strategy.
func (t *twin) choose(p *config.Pool, f config.Family, svc *config.Service) netip.Addr {
	all := addrsOf(p, f)
	for _, addr := range all {
		friend := false
		for _, e := range t.entries {
			friend = friend || e.Service.Key != svc.Key && e.holds(addr)
		}
		if friend && t.open(addr, svc, toGrant) {
			return addr
		}
	}
	switch p.Strategy {
	case config.Random:
		var ranges []config.Range
		for _, r := range p.Ranges {
			if config.FamilyOf(r.From) == f {
				ranges = append(ranges, r)
			}
		}
		if len(ranges) > 0 {
			_, start := lot(ranges, svc, f)
			i := slices.IndexFunc(all, func(a netip.Addr) bool { return !a.Less(start) })
			all = slices.Concat(all[max(0, i):], all[:max(0, i)])
		}
	case config.LeastRecentlyUsed:
		old := slices.DeleteFunc(slices.Clone(t.freed), func(a netip.Addr) bool { return !slices.Contains(all, a) })
		all = append(slices.DeleteFunc(all, func(a netip.Addr) bool { return slices.Contains(old, a) }), old...)
	}
	for _, addr := range all {
		if !t.taken(addr) {
			return addr
		}
	}
	return netip.Addr{}
}

// taken tells whether anything at all is with addr.
func (t *twin) taken(addr netip.Addr) bool {
	for _, e := range t.entries {
		if e.occupies(addr) {
			return true
		}
	}
	return t.memories[addr].State == config.ReservationReleased || t.owner(addr) != nil
}

// owner is the eldest reservation that can be of addr.
func (t *twin) owner(addr netip.Addr) *config.Reservation {
	p := config.PoolOf(t.pools, addr)
	if p == nil || avoided(p, addr) || p.Draining {
		return nil
	}
	for _, r := range t.reserved {
		if slices.Contains(r.Addrs, addr) && !barsNamespace(p, r.Namespace) {
			return r
		}
	}
	return nil
}

// own adds what is reserved for w's Service, then what it may have back.
func (t *twin) own(w *work, lack []config.Family, got []Held) []Held {
	svc := w.Service
	try := func(addr netip.Addr, reserved bool) {
		f, p := config.FamilyOf(addr), config.PoolOf(t.pools, addr)
		if !slices.Contains(without(lack, got), f) || wishOf(svc, f).IsValid() || p == nil || avoided(p, addr) {
			return
		}
		auto := svc.Want.Pool == p.Name || svc.Want.Pool == "" && (p.AutoAssign || reserved)
		if auto && declines(p, w.Request) == "" && t.open(addr, svc, toGrant) {
			got = append(got, Held{Addr: addr, Pool: p.Name})
		}
	}
	for _, r := range t.reserved {
		for _, addr := range r.Addrs {
			if r.For() == svc.Key && t.owner(addr) == r {
				try(addr, true)
			}
		}
	}
	var back []Memory
	for addr, m := range t.memories {
		other := slices.ContainsFunc(svc.Addrs, func(a netip.Addr) bool { return a.Is4() == addr.Is4() })
		if m.For == svc.Key && m.State == config.ReservationReleased && (t.owed[addr] && !other || t.now.Before(m.RetainedTo)) {
			back = append(back, m)
		}
	}
	slices.SortFunc(back, func(a, b Memory) int {
		if c := b.Released.Compare(a.Released); c != 0 {
			return c
		}
		return a.Addr.Compare(b.Addr)
	})
	for _, m := range back {
		try(m.Addr, false)
	}
	return got
}
