package l4proxy

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// sourceRanges turns prefixes into sorted ranges per family that neither
// overlap nor touch, as an interval set of the kernel wants them. A family
// without a prefix has no ranges: whoever restricts a dual-stack Service in
// one family has not opened it in the other.
func sourceRanges(prefixes []netip.Prefix) map[config.Family][]config.Range {
	out := map[config.Family][]config.Range{}
	for _, p := range prefixes {
		p = unmapPrefix(p)
		f := config.FamilyOf(p.Addr())
		out[f] = append(out[f], config.Range{From: p.Addr(), To: lastOf(p)})
	}
	for f, ranges := range out {
		out[f] = mergeRanges(ranges)
	}
	return out
}

func mergeRanges(ranges []config.Range) []config.Range {
	slices.SortFunc(ranges, func(a, b config.Range) int { return a.From.Compare(b.From) })
	merged := ranges[:1]
	for _, r := range ranges[1:] {
		last := &merged[len(merged)-1]
		next := last.To.Next() // invalid after the highest address of all
		if next.IsValid() && next.Less(r.From) {
			merged = append(merged, r)
		} else if last.To.Less(r.To) {
			last.To = r.To
		}
	}
	return merged
}

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
