package config

import (
	"net/netip"
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
}

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
