package bgp

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// manyRoutes is n host routes with attributes.
func manyRoutes(n int) []announce.Route {
	out := make([]announce.Route, n)
	addr := netip.MustParseAddr("198.18.0.0")
	for i := range out {
		out[i] = announce.Route{Prefix: netip.PrefixFrom(addr, 32), Communities: []uint32{1, 2}}
		addr = addr.Next()
	}
	return out
}

// BenchmarkApply10k fills and empties a RIB of 10,000 routes.
func BenchmarkApply10k(b *testing.B) {
	routes := manyRoutes(10_000)
	sess := oneSession(b)
	sess.adopt(sessionTo(nowhere()))
	for b.Loop() {
		sess.adopt(sessionTo(nowhere(), routes...))
		sess.adopt(sessionTo(nowhere()))
	}
}

// BenchmarkApplyUnchanged10k hands over equal routes in new memory: the price
// of a comparison.
func BenchmarkApplyUnchanged10k(b *testing.B) {
	routes := manyRoutes(10_000)
	sess := oneSession(b)
	sess.adopt(sessionTo(nowhere(), routes...))
	same := sessionTo(nowhere(), slices.Clone(routes)...)
	other := sessionTo(nowhere(), slices.Clone(routes)...)
	for b.Loop() {
		sess.adopt(same)
		same, other = other, same
	}
}

// BenchmarkApplyOneOf10k changes one route among 10,000.
func BenchmarkApplyOneOf10k(b *testing.B) {
	routes := manyRoutes(10_000)
	changed := slices.Clone(routes)
	changed[5000].MED = 1
	sess := oneSession(b)
	plans := [2]announce.Session{sessionTo(nowhere(), routes...), sessionTo(nowhere(), changed...)}
	sess.adopt(plans[0])
	i := 0
	for b.Loop() {
		i++
		sess.adopt(plans[i%2])
	}
}
