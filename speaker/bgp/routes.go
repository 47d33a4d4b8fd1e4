package bgp

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// edit is one step that brings a RIB nearer to what is wanted. A changed route
// is a set: it replaces what is there (RFC 4271 §3.1, implicit withdrawal).
type edit struct {
	route  announce.Route
	remove bool
}

// diff lists the edits that make have into want. Both are sorted by prefix and
// hold no prefix twice. Routes that stay or come are edited before those that
// go, so that a prefix moving into an aggregate is never without a route.
func diff(have, want []announce.Route) []edit {
	if sameList(have, want) {
		return nil
	}
	var sets, removes []edit
	i, j := 0, 0
	for i < len(have) || j < len(want) {
		switch c := side(have, want, i, j); {
		case c < 0:
			removes = append(removes, edit{route: have[i], remove: true})
			i++
		case c > 0:
			sets = append(sets, edit{route: want[j]})
			j++
		default:
			if !sameRoute(have[i], want[j]) {
				sets = append(sets, edit{route: want[j]})
			}
			i, j = i+1, j+1
		}
	}
	return append(sets, removes...)
}

// side tells which list has the smaller next prefix: -1 have, 1 want, 0 equal.
func side(have, want []announce.Route, i, j int) int {
	switch {
	case i == len(have):
		return 1
	case j == len(want):
		return -1
	}
	return have[i].Prefix.Compare(want[j].Prefix)
}

// sameList tells cheaply whether two lists are one and the same memory.
func sameList(a, b []announce.Route) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func sameRoute(a, b announce.Route) bool {
	return a.Prefix == b.Prefix && a.NextHop == b.NextHop && a.LocalPref == b.LocalPref && a.MED == b.MED &&
		a.Prepend == b.Prepend && a.Weight == b.Weight && a.Last == b.Last &&
		slices.Equal(a.Communities, b.Communities) && slices.Equal(a.Large, b.Large)
}

// tidy returns routes sorted by masked prefix without doubles (the first one
// counts), the list itself if it is so already.
func tidy(routes []announce.Route) []announce.Route {
	sorted := true
	for i, r := range routes {
		if r.Prefix != r.Prefix.Masked() || i > 0 && routes[i-1].Prefix.Compare(r.Prefix) >= 0 {
			sorted = false
			break
		}
	}
	if sorted {
		return routes
	}
	out := slices.Clone(routes)
	for i := range out {
		out[i].Prefix = out[i].Prefix.Masked()
	}
	slices.SortStableFunc(out, func(a, b announce.Route) int { return a.Prefix.Compare(b.Prefix) })
	return slices.CompactFunc(out, func(a, b announce.Route) bool { return a.Prefix == b.Prefix })
}

// resolve gives every route a next hop that works on a session to peer.
// "This node's address on the session" is right by itself except for IPv6
// prefixes on an IPv4 session, where it would be an IPv4-mapped address that
// routers ignore or refuse; these take own6, or are left out, and counted, if
// own6 is not known.
func resolve(routes []announce.Route, peer, own6 netip.Addr) (out []announce.Route, left int) {
	needs := func(r announce.Route) bool {
		return peer.Is4() && r.Prefix.Addr().Is6() && !r.NextHop.IsValid()
	}
	if !slices.ContainsFunc(routes, needs) {
		return routes, 0
	}
	out = make([]announce.Route, 0, len(routes))
	for _, r := range routes {
		if needs(r) {
			if !own6.IsValid() {
				left++
				continue
			}
			r.NextHop = own6
		}
		out = append(out, r)
	}
	return out, left
}
