package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/gobench"
)

// The harness proves itself: a build beside the very same build is a tie, and a
// build slowed on purpose, without optimizations, falls short.
var (
	twin   = gobench.Rig("twin", gobench.Spec{Package: "./ipam", Bench: updateOne, Time: "300ms"})
	slowed = gobench.Rig("slowed", gobench.Spec{
		Package: "./ipam", Bench: updateOne, Time: "300ms", Build: []string{"-gcflags=-N -l"},
	})
)

const updateOne = "^BenchmarkUpdateOne$/^add$"

var self = []bench.Figure{
	{Name: "self/twin", Unit: "ns", Peer: "itself", Bar: bench.Within(1, 0.08), Rig: twin,
		Metrics: []string{"BenchmarkUpdateOne/add ns/op"}},
	{Name: "self/slowed", Unit: "ns", Peer: "optimized", Bar: bench.AtMost(1.08), Rig: slowed,
		Metrics: []string{"BenchmarkUpdateOne/add ns/op"}, MustFail: true},
}
