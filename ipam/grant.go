package ipam

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// grant gives w what it still lacks: all of it or, unless the Service merely
// prefers two families, nothing.
func (d *draft) grant(w *work) {
	svc := w.Service
	switch {
	case w.Bystander:
		return
	case w.foreign:
		w.now.Refusal = foreign(svc)
		return
	case svc.Want.Problem != nil:
		w.now.Refusal = unreadable(svc)
		return
	case svc.Deleted:
		return // it keeps what it has until it is gone, and needs no more
	}
	if w.now.Refusal = contradiction(svc); w.now.Refusal != nil {
		return
	}
	lacking := lacking(w)
	if len(lacking) == 0 {
		return
	}
	picks, refusal := d.choose(w, lacking)
	for _, h := range picks {
		d.put(h.Addr, w.now)
		d.join(h.Addr, svc)
	}
	w.now.Held = concat(w.now.Held, picks)
	sortHeld(w.now.Held, svc)
	w.now.Refusal = refusal
}

// concat is a and b without spare room, and without a copy if one is empty.
func concat(a, b []Held) []Held {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	return slices.Concat(a, b)
}

func lacking(w *work) []config.Family {
	need := familiesOf(w.Service)
	if len(w.now.Held) == 0 {
		return need
	}
	return slices.DeleteFunc(slices.Clone(need), func(f config.Family) bool {
		return slices.ContainsFunc(w.now.Held, func(h Held) bool { return config.FamilyOf(h.Addr) == f })
	})
}

// choose finds an address in each of the families, without taking it yet.
// What is missing is explained when the round is over, see review.
func (d *draft) choose(w *work, families []config.Family) ([]Held, *Refusal) {
	picks, rest, refusal := d.wishes(w, families)
	if refusal != nil || len(rest) == 0 {
		return picks, refusal
	}
	found := d.search(w, near(w, picks), rest)
	if len(found) == len(rest) {
		return concat(picks, found), nil
	}
	if w.Service.FamilyPolicy == config.RequireDualStack {
		return nil, unexplained
	}
	return concat(picks, found), unexplained
}

// unexplained stands for the refusal that review writes.
var unexplained = &Refusal{Reason: PoolExhausted}

// review says why w lacks something, as it is after everybody was served: so
// that planning again says the same.
func (d *draft) review(w *work) {
	if r := w.now.Refusal; r == nil || r.Reason == InvalidRequest || r.Reason == ForeignAddress {
		return
	}
	_, rest, refusal := d.wishes(w, lacking(w))
	if refusal == nil {
		refusal = d.explain(w.Request, rest, d.search(w, near(w, nil), rest))
		refusal.Optional = len(w.now.Held) > 0 && w.Service.FamilyPolicy != config.RequireDualStack
	}
	w.now.Refusal = refusal
}

// wishes finds the addresses that the Service asks for by name; rest are the
// families in which it names none.
func (d *draft) wishes(w *work, families []config.Family) (picks []Held, rest []config.Family, no *Refusal) {
	if len(w.Service.Want.Addrs) == 0 {
		return nil, families, nil
	}
	for _, f := range families {
		wish := wishOf(w.Service, f)
		if !wish.IsValid() {
			rest = append(rest, f)
			continue
		}
		p, refusal := d.allow(w.Request, wish)
		if refusal != nil {
			return nil, nil, refusal
		}
		picks = append(picks, Held{Addr: wish, Pool: p.Name})
	}
	return picks, rest, nil
}

// near is the pool that w has an address of already, "" if none: its other
// family should come from there as well.
func near(w *work, picks []Held) string {
	for _, held := range [][]Held{picks, w.now.Held} {
		if len(held) > 0 {
			return held[0].Pool
		}
	}
	return ""
}

// search finds free addresses in as many of the families as it can: all from
// one pool if possible, the pool called near before others; else each family
// from the first pool that has one.
func (d *draft) search(w *work, near string, families []config.Family) []Held {
	var each []Held // one per family, from whichever pool came first
	for round := range 2 {
		for _, p := range d.candidates(w.Service) {
			if (p.Name == near) != (round == 0) || declines(p, w.Request) != "" {
				continue
			}
			var all []Held
			for _, f := range families {
				if addr := d.pick(p, f, w.Service); addr.IsValid() {
					all = append(all, Held{Addr: addr, Pool: p.Name})
				}
			}
			if len(all) == len(families) {
				return all
			}
			each = merge(each, all)
		}
	}
	return each
}

// merge adds to each the addresses of families it does not have yet.
func merge(each, all []Held) []Held {
	for _, h := range all {
		has := slices.ContainsFunc(each, func(o Held) bool { return o.Addr.Is4() == h.Addr.Is4() })
		if !has {
			each = append(each, h)
		}
	}
	return each
}

// candidates lists the pools that may give to svc, in the order tried: the one
// it names, or all that give without being named.
func (d *draft) candidates(svc *config.Service) []*config.Pool {
	if svc.Want.Pool == "" {
		return d.next.layout.auto
	}
	if p := d.next.layout.named(svc.Want.Pool); p != nil {
		return []*config.Pool{p}
	}
	return nil
}

// pick chooses an address of p: one that svc can share, else the lowest free.
func (d *draft) pick(p *config.Pool, f config.Family, svc *config.Service) netip.Addr {
	if svc.Want.ShareKey != "" {
		for _, addr := range d.shared(groupOf(svc)) {
			if config.FamilyOf(addr) != f || d.next.layout.poolOf(addr) != p || avoided(p, addr) {
				continue
			}
			if by, _ := d.blocker(addr, svc, false); by == nil {
				return addr
			}
		}
	}
	for _, r := range p.Ranges {
		switch {
		case config.FamilyOf(r.From) != f:
		case f == config.IPv4:
			if a, ok := d.next.used4.free(wideOf(r.From), wideOf(r.To), p.AvoidBuggyIPs); ok {
				return a.addr4()
			}
		default:
			if a, ok := d.next.used6.free(wideOf(r.From), wideOf(r.To), false); ok {
				return a.addr6()
			}
		}
	}
	return netip.Addr{}
}

// allow tells whether a Service may have the very address it asks for, and
// from which pool.
func (d *draft) allow(req Request, addr netip.Addr) (*config.Pool, *Refusal) {
	svc, p := req.Service, d.next.layout.poolOf(addr)
	switch {
	case p == nil:
		return nil, notInPool(svc, fmt.Sprintf("%v lies in none of the pools (%s)", addr, poolNames(d.next.layout.pools)))
	case svc.Want.Pool != "" && svc.Want.Pool != p.Name:
		return nil, notInPool(svc, fmt.Sprintf("%v lies in pool %q, not in the pool %q that the Service names", addr, p.Name, svc.Want.Pool))
	case avoided(p, addr):
		return nil, notInPool(svc, fmt.Sprintf("%v ends in .0 or .255, and pool %q has avoidBuggyIPs on", addr, p.Name))
	}
	if why := declines(p, req); why != "" {
		return nil, &Refusal{
			Service: svc.Key, Reason: NoMatchingPool,
			Message: fmt.Sprintf("%v lies in pool %q, which does not serve this Service: %s", addr, p.Name, why),
			Remedy:  "ask for an address of another pool, or widen the pool's serviceAllocation",
		}
	}
	if by, how := d.blocker(addr, svc, false); by != nil {
		return nil, inUse(svc, addr, by, how)
	}
	return p, nil
}
