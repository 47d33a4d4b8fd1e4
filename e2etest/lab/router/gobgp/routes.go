package gobgp

import (
	"cmp"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
)

// routes are prefixes with all of their next hops, in order.
type routes map[netip.Prefix][]netip.Addr

// add takes a destination of the RIB: its next hops are those of all paths that
// are as short as the shortest.
func (r routes) add(d *api.Destination) {
	prefix, err := netip.ParsePrefix(d.Prefix)
	if err != nil {
		return // not an address prefix
	}
	shortest := 0
	var hops []netip.Addr
	for _, p := range d.Paths {
		hop, length := lookAt(p)
		if !hop.IsValid() || p.IsNexthopInvalid || p.Filtered {
			continue
		}
		if hops == nil || length < shortest {
			hops, shortest = nil, length
		}
		if length == shortest {
			hops = append(hops, hop)
		}
	}
	if hops == nil {
		return
	}
	slices.SortFunc(hops, netip.Addr.Compare)
	r[prefix] = slices.Compact(hops)
}

// lookAt finds the next hop of a path and the length of its AS path.
func lookAt(p *api.Path) (hop netip.Addr, length int) {
	for _, packed := range p.Pattrs {
		attr, err := packed.UnmarshalNew()
		if err != nil {
			continue // an attribute that this GoBGP does not know
		}
		switch a := attr.(type) {
		case *api.NextHopAttribute:
			hop, _ = netip.ParseAddr(a.NextHop) // a path without one is not used
		case *api.MpReachNLRIAttribute:
			if len(a.NextHops) > 0 { // a second one is the link-local address
				hop, _ = netip.ParseAddr(a.NextHops[0])
			}
		case *api.AsPathAttribute:
			for _, segment := range a.Segments {
				length += len(segment.Numbers)
			}
		}
	}
	return hop.Unmap(), length
}

// change is one edit of the kernel's table; no next hops take the route away.
type change struct {
	prefix netip.Prefix
	hops   []netip.Addr
}

// changes are the edits that lead from one table to the next, in order.
func changes(from, to routes) []change {
	var edits []change
	for prefix, hops := range to {
		if !slices.Equal(from[prefix], hops) {
			edits = append(edits, change{prefix, hops})
		}
	}
	for prefix := range from {
		if to[prefix] == nil {
			edits = append(edits, change{prefix: prefix})
		}
	}
	slices.SortFunc(edits, func(a, b change) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), a.prefix.Bits()-b.prefix.Bits())
	})
	return edits
}
