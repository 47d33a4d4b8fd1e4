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
	pools   []*config.Pool
	auto    []*config.Pool          // those that give without being named, in the order tried
	ranges  []placed                // all, sorted by first address; pools are disjoint
	lru     map[*config.Pool]uint64 // those with the strategy LeastRecentlyUsed, numbered from 1
	mindful bool                    // a pool remembers its addresses
}

type placed struct {
	config.Range
	pool *config.Pool
}

func layoutOf(pools []*config.Pool) *layout {
	l := &layout{pools: pools, lru: map[*config.Pool]uint64{}}
	for _, p := range pools {
		l.mindful = l.mindful || p.Remembers()
		if p.Strategy == config.LeastRecentlyUsed {
			l.lru[p] = uint64(len(l.lru)) + 1
		}
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
func declines(p *config.Pool, req *Request) string {
	svc, a := req.Service, p.Allocation
	switch {
	case p.Draining:
		return "is draining"
	case len(p.Classes) > 0 && !p.Classes.Serve(svc.Class):
		return "not for " + className(svc.Class)
	case a == nil:
		return ""
	}
	if len(a.Namespaces)+len(a.NamespaceSelectors) > 0 &&
		!slices.Contains(a.Namespaces, svc.Namespace) && !config.AnyMatches(a.NamespaceSelectors, req.Labels) {
		return "not for namespace " + svc.Namespace
	}
	if len(a.ServiceSelectors) > 0 && !config.AnyMatches(a.ServiceSelectors, svc.Labels) {
		return "its serviceSelectors do not match the Service's labels"
	}
	return ""
}

func className(class string) string {
	if class == "" {
		return "Services without a loadBalancerClass"
	}
	return "loadBalancerClass " + class
}

// has tells whether p holds addresses of family f.
func has(p *config.Pool, f config.Family) bool {
	return slices.ContainsFunc(p.Ranges, func(r config.Range) bool { return config.FamilyOf(r.From) == f })
}

// avoided tells whether p never gives addr although it holds it.
func avoided(p *config.Pool, addr netip.Addr) bool {
	return p.AvoidBuggyIPs && addr.Is4() && buggy(wideOf(addr))
}

// poolNames lists the names of pools for a person.
func poolNames(pools []*config.Pool) string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}
