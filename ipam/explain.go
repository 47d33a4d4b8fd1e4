package ipam

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// explain says why nothing was found in the families that lack, pool by pool.
func (d *draft) explain(req *Request, lack []config.Family) *Refusal {
	svc := req.Service
	r := &Refusal{Service: svc.Key, Reason: NoMatchingPool}
	pools := d.next.layout.pools
	switch {
	case len(pools) == 0:
		r.Message, r.Remedy = "there is no address pool", "create an IPAddressPool"
		return r
	case svc.Want.Pool != "" && len(d.candidates(svc)) == 0:
		r.Message = fmt.Sprintf("there is no pool %q; there are: %s", svc.Want.Pool, poolNames(pools))
		r.Remedy = "name one of these, or create the pool"
		return r
	}
	if svc.Want.Pool != "" {
		pools = d.candidates(svc)
	}
	fit, notes := []*config.Pool{}, []string{}
	for _, p := range pools {
		why := declines(p, req)
		if why == "" && !p.AutoAssign && svc.Want.Pool == "" {
			why = "only for Services that name it (autoAssign is off)"
		}
		if why == "" {
			fit, why = append(fit, p), d.fullness(p, lack)
		}
		notes = append(notes, fmt.Sprintf("pool %s: %s", p.Name, why))
	}
	r.Reason, lack = weigh(fit, lack)
	r.Message = verdict(r.Reason, lack) + ": " + abridged(notes) + d.unshared(svc, fit)
	r.Remedy = remedies[r.Reason]
	return r
}

// weigh finds the reason why no pool that fits gave all that lacks: what has
// to be mended first, and the families that it concerns.
func weigh(fit []*config.Pool, lack []config.Family) (Reason, []config.Family) {
	if len(fit) == 0 {
		return NoMatchingPool, lack
	}
	var unknown []config.Family
	for _, f := range lack {
		if !slices.ContainsFunc(fit, func(p *config.Pool) bool { return has(p, f) }) {
			unknown = append(unknown, f)
		}
	}
	if len(unknown) > 0 {
		return FamilyUnavailable, unknown
	}
	return PoolExhausted, lack
}

// fullness says how much pool p has of the families.
func (d *draft) fullness(p *config.Pool, lack []config.Family) string {
	var notes []string
	for _, f := range lack {
		if !has(p, f) {
			notes = append(notes, fmt.Sprintf("has no %v addresses", f))
			continue
		}
		notes = append(notes, d.countOf(p, f))
	}
	return strings.Join(notes, " and ")
}

// countOf counts the free addresses of one pool and family, and those that
// nobody has and still are not free. It is the same for all who are refused in
// one round.
func (d *draft) countOf(p *config.Pool, f config.Family) string {
	key := poolFamily{p, f}
	if text, ok := d.counts[key]; ok {
		return text
	}
	u := d.next.useOf(p)
	used, kept, free := u.Assigned4, u.Kept4, u.Available4
	if f == config.IPv6 {
		used, kept, free = u.Assigned6, u.Kept6, u.Available6
	}
	text := fmt.Sprintf("%d of %d %v addresses are free", free, addSaturated(used+kept, free), f)
	rest, first := d.restsIn(p, f, kept)
	if rest > 0 {
		text += fmt.Sprintf(", %d rest in cool-down (the first until %s)", rest, clock(first))
	}
	if kept > rest {
		text += fmt.Sprintf(", %d are reserved", kept-rest)
	}
	d.counts[key] = text
	return text
}

type poolFamily struct {
	pool   *config.Pool
	family config.Family
}

// restsIn counts the rests among the kept addresses of p, and says when the
// first ends.
func (d *draft) restsIn(p *config.Pool, f config.Family, kept int64) (n int64, first time.Time) {
	if kept == 0 {
		return 0, first
	}
	rests := d.next.rests
	for at, addr, ok := rests.next(wide{}); ok; at, addr, ok = rests.next(at.plus(wide{lo: 1})) {
		if config.FamilyOf(addr) != f || !p.Contains(addr) || !d.tenants(addr).kept() {
			continue
		}
		if n++; n == 1 {
			first = d.resting(addr).FreeAt
		}
	}
	return n, first
}

// unshared says who keeps svc from an address that others have under its key.
func (d *draft) unshared(svc *config.Service, fit []*config.Pool) string {
	if svc.Want.ShareKey == "" {
		return ""
	}
	for _, p := range fit {
		for _, g := range groupsOf(p, svc) {
			for _, addr := range d.shared(g) {
				if o := d.obstacle(addr, svc, toGrant); o != nil && d.next.layout.poolOf(addr) == p {
					return fmt.Sprintf("; under the key %q there is %v, but it %s", svc.Want.ShareKey, addr, o.text)
				}
			}
		}
	}
	return ""
}

func verdict(r Reason, lack []config.Family) string {
	names := make([]string, len(lack))
	for i, f := range lack {
		names[i] = f.String()
	}
	which := strings.Join(names, " and no ")
	switch r {
	case PoolExhausted:
		return "no free " + which + " address"
	case FamilyUnavailable:
		return "no " + which + " address in the pools for this Service"
	}
	return "no pool is for this Service"
}

var remedies = map[Reason]string{
	PoolExhausted:     "add addresses to a pool or delete Services that are not needed",
	FamilyUnavailable: "add addresses of that family to a pool, or change the Service's ipFamilyPolicy",
	NoMatchingPool:    "name a pool by the annotation steelyard.io/address-pool, or widen a pool's serviceAllocation",
}

// abridged keeps a long list readable.
func abridged(notes []string) string {
	const enough = 8
	if len(notes) > enough {
		notes = append(notes[:enough:enough], fmt.Sprintf("and %d more", len(notes)-enough))
	}
	return strings.Join(notes, ", ")
}
