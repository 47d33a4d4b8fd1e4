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
		d.opened = d.opened || svc.Want.ShareKey != "" && d.tenants(h.Addr).hasNobody()
		d.take(h.Addr, w.now)
	}
	w.now.Held = append(w.now.Held, picks...)
	sortHeld(w.now.Held, svc)
	w.now.Refusal = refusal
}

func lacking(w *work) []config.Family {
	need := familiesOf(w.Service)
	if len(w.now.Held) == 0 {
		return need
	}
	return without(need, w.now.Held)
}

// choose finds an address in each of the families, without taking it yet.
// What is missing is explained when the round is over, see review.
func (d *draft) choose(w *work, families []config.Family) ([]Held, *Refusal) {
	found, refusal := d.find(w, families)
	if refusal != nil || len(found) == len(families) {
		return found, refusal
	}
	if w.Service.FamilyPolicy == config.RequireDualStack {
		return nil, unexplained
	}
	return found, unexplained
}

// find looks for an address in each of the families: the one that w asks for,
// one that is kept for it, or any. What it returns is good until it is called
// again.
func (d *draft) find(w *work, families []config.Family) ([]Held, *Refusal) {
	picks, rest, refusal := d.wishes(w, families, d.found[:0])
	if refusal != nil {
		return nil, refusal
	}
	if n := len(picks); len(rest) > 0 {
		if picks = d.own(w, rest, picks); len(picks) > n {
			rest = without(rest, picks[n:])
		}
	}
	if len(rest) > 0 {
		picks = d.search(w, near(w, picks), rest, picks)
	}
	d.found = picks
	return picks, nil
}

// without is families without those of held.
func without(families []config.Family, held []Held) []config.Family {
	return slices.DeleteFunc(slices.Clone(families), func(f config.Family) bool {
		return slices.ContainsFunc(held, func(h Held) bool { return config.FamilyOf(h.Addr) == f })
	})
}

// own adds addresses that are kept for w to out, at most one of each family.
func (d *draft) own(w *work, families []config.Family, out []Held) []Held {
	if !d.mindful {
		return out
	}
	addrs, reserved := d.keepsakes(w.Service)
	for i, addr := range addrs {
		if !slices.Contains(without(families, out), config.FamilyOf(addr)) {
			continue
		}
		if p := d.fits(w, addr, i < reserved); p != nil {
			out = append(out, Held{Addr: addr, Pool: p.Name})
		}
	}
	return out
}

// fits returns the pool of addr if w may have it without asking for it; a pool
// that gives only to Services that name it gives what is reserved.
func (d *draft) fits(w *work, addr netip.Addr, reserved bool) *config.Pool {
	svc, p := w.Service, d.next.layout.poolOf(addr)
	if p == nil || avoided(p, addr) || declines(p, w.Request) != "" || d.obstacle(addr, svc, toGrant) != nil {
		return nil
	}
	if svc.Want.Pool != p.Name && (svc.Want.Pool != "" || !p.AutoAssign && !reserved) {
		return nil
	}
	return p
}

// unexplained stands for the refusal that review writes.
var unexplained = &Refusal{Reason: PoolExhausted}

// review says why w lacks something, as it is after everybody was served: so
// that planning again says the same.
func (d *draft) review(w *work) {
	if r := w.now.Refusal; r == nil || r.Reason == InvalidRequest || r.Reason == ForeignAddress {
		return
	}
	found, refusal := d.find(w, lacking(w))
	if refusal == nil {
		refusal = d.explain(w.Request, without(lacking(w), found))
		refusal.Optional = len(w.now.Held) > 0 && w.Service.FamilyPolicy != config.RequireDualStack
	}
	w.now.Refusal = refusal
}

// wishes adds the addresses that the Service asks for by name to picks; rest
// are the families in which it names none.
func (d *draft) wishes(w *work, families []config.Family, picks []Held) (_ []Held, rest []config.Family, no *Refusal) {
	if len(w.Service.Want.Addrs) == 0 {
		return picks, families, nil
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

// search adds free addresses in as many of the families as it can to out: all
// from one pool if possible, the pool called near before others; else each
// family from the first pool that has one.
func (d *draft) search(w *work, near string, families []config.Family, out []Held) []Held {
	before := len(out)
	var room [2]Held
	for round := range 2 {
		for _, p := range d.candidates(w.Service) {
			if (p.Name == near) != (round == 0) || declines(p, w.Request) != "" {
				continue
			}
			all := room[:0]
			for _, f := range families {
				if addr := d.pick(p, f, w.Service); addr.IsValid() {
					all = append(all, Held{Addr: addr, Pool: p.Name})
				}
			}
			if len(all) == len(families) {
				return append(out[:before], all...)
			}
			out = merge(out, before, all)
		}
	}
	return out
}

// merge adds to out[from:] the addresses of families it does not have yet.
func merge(out []Held, from int, all []Held) []Held {
	for _, h := range all {
		if !slices.ContainsFunc(out[from:], func(o Held) bool { return o.Addr.Is4() == h.Addr.Is4() }) {
			out = append(out, h)
		}
	}
	return out
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

// allow tells whether a Service may have the very address it asks for, and
// from which pool.
func (d *draft) allow(req *Request, addr netip.Addr) (*config.Pool, *Refusal) {
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
	if o := d.obstacle(addr, svc, toGrant); o != nil {
		return nil, inUse(svc, addr, o)
	}
	return p, nil
}
