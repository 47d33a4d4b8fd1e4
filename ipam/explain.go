package ipam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// explain says why nothing was found in those of the families that found does
// not have, pool by pool.
func (d *draft) explain(req Request, families []config.Family, found []Held) *Refusal {
	svc := req.Service
	lack := slices.DeleteFunc(slices.Clone(families), func(f config.Family) bool {
		return slices.ContainsFunc(found, func(h Held) bool { return config.FamilyOf(h.Addr) == f })
	})
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
	r.Message = verdict(r.Reason, lack) + ": " + abridged(notes)
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
		u := d.next.useOf(p)
		used, free := u.Assigned4, u.Available4
		if f == config.IPv6 {
			used, free = u.Assigned6, u.Available6
		}
		notes = append(notes, fmt.Sprintf("%d of %d %v addresses are free", free, addSaturated(used, free), f))
	}
	return strings.Join(notes, " and ")
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
