package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Range is an inclusive range of addresses of one family, From <= To.
type Range struct{ From, To netip.Addr }

// Contains tells whether addr lies in the range.
func (r Range) Contains(addr netip.Addr) bool {
	return r.From.BitLen() == addr.BitLen() && r.From.Compare(addr) <= 0 && addr.Compare(r.To) <= 0
}

// Overlaps tells whether the two ranges share an address.
func (r Range) Overlaps(o Range) bool {
	return r.From.BitLen() == o.From.BitLen() && r.From.Compare(o.To) <= 0 && o.From.Compare(r.To) <= 0
}

// String is from-to.
func (r Range) String() string { return r.From.String() + "-" + r.To.String() }

// Pool is a valid IPAddressPool.
type Pool struct {
	Name          string
	Labels        map[string]string
	Created       time.Time
	Ranges        []Range // sorted, disjoint; CIDRs are ranges too
	Prefixes      []netip.Prefix
	AutoAssign    bool
	AvoidBuggyIPs bool
	Allocation    *Allocation // nil: open to all Services

	Classes    Classes       // loadBalancerClasses it serves; empty: all that are ours
	Strategy   Strategy      // which free address is given
	Draining   bool          // keeps what it gave, gives nothing new
	OnRemoval  OnRemoval     // what becomes of addresses that a pool edit leaves without a pool
	ReuseAfter time.Duration // a released address rests so long before somebody else gets it
	Retain     time.Duration // so long the Service of the same name gets its address back
	SharedBy   []string      // namespaces whose Services may share one address with each other
}

// Remembers tells whether the pool's addresses are remembered beyond the life
// of the Service that has them, so that an IPReservation is written for each.
func (p *Pool) Remembers() bool { return p.ReuseAfter > 0 || p.Retain > 0 }

// Classes are loadBalancerClasses, "" standing for Services without one.
type Classes []string

// Serve tells whether Services of that class are served. No classes at all
// serve Services without one, as MetalLB does without --lb-class.
func (c Classes) Serve(class string) bool {
	if len(c) == 0 {
		return class == ""
	}
	return slices.Contains(c, class)
}

// Strategy is the order in which a pool gives its free addresses.
type Strategy string

// The strategies. Lowest is MetalLB's.
const (
	Lowest            Strategy = "Lowest"
	Random            Strategy = "Random"
	LeastRecentlyUsed Strategy = "LeastRecentlyUsed"
)

// OnRemoval says what becomes of a Service whose address no pool holds any
// more, because its pool shrank or went.
type OnRemoval string

// Keep leaves address and traffic alone until somebody decides; Reallocate
// gives the Service another address at once, as MetalLB does.
const (
	Keep       OnRemoval = "Keep"
	Reallocate OnRemoval = "Reallocate"
)

// Allocation says which Services a pool serves.
type Allocation struct {
	Priority           int // lower first; 0 is last
	Namespaces         []string
	NamespaceSelectors []Selector
	ServiceSelectors   []Selector
}

// Contains tells whether addr belongs to the pool.
func (p *Pool) Contains(addr netip.Addr) bool {
	for _, r := range p.Ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

// PoolOf returns the pool that holds addr, or nil.
func PoolOf(pools []*Pool, addr netip.Addr) *Pool {
	for _, p := range pools {
		if p.Contains(addr) {
			return p
		}
	}
	return nil
}

// Former adds to former what a configuration change takes out of pools: each
// pool of before, with the ranges that now no longer hold, until a pool holds
// them again. An address that a Service has from there stays ours to serve
// until the controller says otherwise; see [Snapshot.OurPool].
func Former(former, before, now []*Pool) []*Pool {
	var out []*Pool
	lost := map[string]bool{}
	for _, p := range before {
		if gone := lostOf(p, now); gone != nil {
			out, lost[p.Name] = append(out, gone), true
		}
	}
	for _, p := range former {
		if gone := lostOf(p, now); gone != nil && !lost[p.Name] {
			out = append(out, gone)
		} else if gone != nil {
			i := slices.IndexFunc(out, func(o *Pool) bool { return o.Name == p.Name })
			out[i].Ranges = append(out[i].Ranges, gone.Ranges...)
		}
	}
	slices.SortFunc(out, func(a, b *Pool) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// lostOf is p with only the ranges that are not wholly in the pools of now, or
// nil if there are none.
func lostOf(p *Pool, now []*Pool) *Pool {
	gone := *p
	gone.Ranges, gone.Prefixes = nil, nil
	for _, r := range p.Ranges {
		if !slices.ContainsFunc(now, func(o *Pool) bool { return o.holds(r) }) {
			gone.Ranges = append(gone.Ranges, r)
		}
	}
	if len(gone.Ranges) == 0 {
		return nil
	}
	return &gone
}

func (p *Pool) holds(r Range) bool {
	return slices.ContainsFunc(p.Ranges, func(o Range) bool { return o.Contains(r.From) && o.Contains(r.To) })
}
