package ipam

import (
	"math"

	"github.com/steelyard-lb/steelyard/config"
)

// PoolUse counts the addresses of one pool, per family. An address that is
// shared counts once; one that is occupied against the pool's rules counts as
// assigned. Together the three are the pool's capacity. Available saturates at
// the largest int64.
type PoolUse struct {
	Pool                   string
	Assigned4, Assigned6   int64 // Services have them, or show them still
	Kept4, Kept6           int64 // nobody has them: they rest, or are reserved
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
		used, kept := l.used.count(r.From, r.To), l.kept.count(r.From, r.To)
		if r.From.Is4() {
			u.Assigned4, u.Kept4 = u.Assigned4+used-kept, u.Kept4+kept
			u.Available4 += max(0, capacity4(wideOf(r.From), wideOf(r.To), p.AvoidBuggyIPs)-used)
			continue
		}
		u.Assigned6, u.Kept6 = u.Assigned6+used-kept, u.Kept6+kept
		size := span(r)
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
