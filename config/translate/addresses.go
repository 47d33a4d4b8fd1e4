package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// parseRange reads "192.0.2.0/24" or "192.0.2.10-192.0.2.20", IPv4 or IPv6.
func parseRange(s string) (config.Range, error) {
	s = strings.TrimSpace(s)
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return config.Range{}, err
		}
		if p.Addr().Is4In6() {
			return config.Range{}, fmt.Errorf("%v is an IPv4 address in IPv6 clothes", p.Addr())
		}
		return rangeOf(p), nil
	}
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return config.Range{}, errors.New("neither a CIDR nor a range")
	}
	first, err := parseAddr(from)
	if err != nil {
		return config.Range{}, err
	}
	last, err := parseAddr(to)
	switch {
	case err != nil:
		return config.Range{}, err
	case first.BitLen() != last.BitLen():
		return config.Range{}, errors.New("the ends of the range are of different families")
	case last.Less(first):
		return config.Range{}, errors.New("the end of the range comes before its start")
	}
	return config.Range{From: first, To: last}, nil
}

// parseAddr reads an address without a zone. IPv4 in IPv6 clothes is refused
// rather than guessed at.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	switch {
	case err != nil:
		return netip.Addr{}, err
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%v has a zone", a)
	case a.Is4In6():
		return netip.Addr{}, fmt.Errorf("%v is an IPv4 address in IPv6 clothes", a)
	}
	return a, nil
}

// rangeOf is the range from the first to the last address of p.
func rangeOf(p netip.Prefix) config.Range {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return config.Range{From: p.Addr(), To: last}
}

// prefixesOf are the fewest prefixes that together are exactly r.
func prefixesOf(r config.Range) []netip.Prefix {
	var out []netip.Prefix
	for from := r.From; from.IsValid() && from.BitLen() == r.To.BitLen() && from.Compare(r.To) <= 0; {
		bits := from.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(from, bits-1)
			if wider.Masked().Addr() != from || rangeOf(wider).To.Compare(r.To) > 0 {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(from, bits)
		out = append(out, p)
		from = rangeOf(p).To.Next() // invalid after the last address there is
	}
	return out
}

// overlapIn finds the first of the sorted, disjoint ranges that shares an
// address with r.
func overlapIn(sorted []config.Range, r config.Range) (int, bool) {
	i, _ := slices.BinarySearchFunc(sorted, r, func(e, r config.Range) int {
		if e.To.Compare(r.From) < 0 { // netip orders IPv4 before IPv6
			return -1
		}
		return 1
	})
	return i, i < len(sorted) && sorted[i].Overlaps(r)
}

// unusable are the ranges whose addresses nobody on a network can be reached
// by: no pool may hold one.
var unusable = []struct {
	config.Range
	what string
}{
	{rangeOf(netip.MustParsePrefix("0.0.0.0/8")), "this network"},
	{rangeOf(netip.MustParsePrefix("127.0.0.0/8")), "loopback"},
	{rangeOf(netip.MustParsePrefix("224.0.0.0/4")), "multicast"},
	{rangeOf(netip.MustParsePrefix("255.255.255.255/32")), "broadcast"},
	{rangeOf(netip.MustParsePrefix("::/127")), "unspecified and loopback"},
	{rangeOf(netip.MustParsePrefix("::ffff:0:0/96")), "IPv4-mapped"},
	{rangeOf(netip.MustParsePrefix("fe80::/10")), "link-local"},
	{rangeOf(netip.MustParsePrefix("ff00::/8")), "multicast"},
}
