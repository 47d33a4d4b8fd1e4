package ipam

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// layout is what is worked out once for a set of pools.
type layout struct {
	pools  []*config.Pool
	auto   []*config.Pool // those that give without being named, in the order tried
	ranges []placed       // all, sorted by first address; pools are disjoint
}

type placed struct {
	config.Range
	pool *config.Pool
}

func layoutOf(pools []*config.Pool) *layout {
	l := &layout{pools: pools}
	for _, p := range pools {
		if p.AutoAssign {
			l.auto = append(l.auto, p)
		}
		for _, r := range p.Ranges {
			l.ranges = append(l.ranges, placed{r, p})
		}
	}
	slices.SortStableFunc(l.auto, func(a, b *config.Pool) int { return rank(a) - rank(b) })
	slices.SortFunc(l.ranges, func(a, b placed) int { return a.From.Compare(b.From) })
	return l
}

// rank orders pools as MetalLB does: those with a serviceAllocation come
// first, by priority, 0 being last of them; then the rest.
func rank(p *config.Pool) int {
	switch {
	case p.Allocation == nil:
		return math.MaxInt32 + 1
	case p.Allocation.Priority == 0:
		return math.MaxInt32
	}
	return min(p.Allocation.Priority, math.MaxInt32-1)
}

// poolOf returns the pool that holds addr, or nil.
func (l *layout) poolOf(addr netip.Addr) *config.Pool {
	if l == nil {
		return nil
	}
	i, exact := slices.BinarySearchFunc(l.ranges, addr, func(r placed, a netip.Addr) int { return r.From.Compare(a) })
	if !exact {
		i--
	}
	if i >= 0 && l.ranges[i].Contains(addr) {
		return l.ranges[i].pool
	}
	return nil
}

func (l *layout) named(name string) *config.Pool {
	for _, p := range l.pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// declines says why pool p does not serve the Service, or "" if it does.
func declines(p *config.Pool, req Request) string {
	a := p.Allocation
	if a == nil {
		return ""
	}
	svc := req.Service
	if len(a.Namespaces)+len(a.NamespaceSelectors) > 0 &&
		!slices.Contains(a.Namespaces, svc.Namespace) && !config.AnyMatches(a.NamespaceSelectors, req.Labels) {
		return "not for namespace " + svc.Namespace
	}
	if len(a.ServiceSelectors) > 0 && !config.AnyMatches(a.ServiceSelectors, svc.Labels) {
		return "its serviceSelectors do not match the Service's labels"
	}
	return ""
}

// has tells whether p holds addresses of family f.
func has(p *config.Pool, f config.Family) bool {
	return slices.ContainsFunc(p.Ranges, func(r config.Range) bool { return config.FamilyOf(r.From) == f })
}

// avoided tells whether p never gives addr although it holds it.
func avoided(p *config.Pool, addr netip.Addr) bool {
	return p.AvoidBuggyIPs && addr.Is4() && buggy(wideOf(addr))
}

// PoolUse counts the addresses of one pool, per family. An address that is
// shared counts once; one that is occupied against the pool's rules counts as
// assigned. Available saturates at the largest int64.
type PoolUse struct {
	Pool                   string
	Assigned4, Assigned6   int64
	Available4, Available6 int64
}

// Use counts the addresses of every pool, in the order of the pools.
func (l Ledger) Use() []PoolUse {
	if l.layout == nil {
		return nil
	}
	out := make([]PoolUse, len(l.layout.pools))
	for i, p := range l.layout.pools {
		out[i] = l.useOf(p)
	}
	return out
}

func (l *Ledger) useOf(p *config.Pool) PoolUse {
	u := PoolUse{Pool: p.Name}
	for _, r := range p.Ranges {
		from, to := wideOf(r.From), wideOf(r.To)
		if r.From.Is4() {
			used := l.used4.count(from, to)
			u.Assigned4 += used
			u.Available4 += max(0, capacity4(from, to, p.AvoidBuggyIPs)-used)
			continue
		}
		used := l.used6.count(from, to)
		u.Assigned6 += used
		size := to.minus(from).plus(wide{lo: 1})
		if size == (wide{}) { // all 128 bits
			size.hi = 1
		}
		u.Available6 = addSaturated(u.Available6, size.minus(wide{lo: uint64(used)}).saturated())
	}
	return u
}

// capacity4 is the number of usable IPv4 addresses from from to to.
func capacity4(from, to wide, avoid bool) int64 {
	n := int64(to.lo-from.lo) + 1
	if !avoid {
		return n
	}
	upTo := func(end int64) int64 { return (end+255)/256 + end/256 } // .0s and .255s below end
	return n - (upTo(int64(to.lo)+1) - upTo(int64(from.lo)))
}

func addSaturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// poolNames lists the names of pools for a person.
func poolNames(pools []*config.Pool) string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}
