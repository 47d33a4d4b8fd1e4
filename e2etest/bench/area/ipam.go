package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/gobench"
)

// How the figures of addresses are measured.
var (
	core = gobench.Rig("core", gobench.Spec{Package: "./ipam", Bench: "^BenchmarkCore$", Time: "1x"})
	plan = gobench.Rig("plan", gobench.Spec{Package: "./ipam", Bench: "^(BenchmarkPlanUnchanged|BenchmarkUpdateOne)$", Time: "500ms"})
)

const (
	perSecond = "grants/s"
	nanoToMs  = 1e-6
	nanoToUs  = 1e-3
)

var ipam = []bench.Figure{
	{Name: "ipam/core-v4", Unit: perSecond, Bar: bench.AtLeast(1e6), Rig: core, Metrics: []string{"BenchmarkCore/v4 grants/s"}},
	{Name: "ipam/core-v6", Unit: perSecond, Bar: bench.AtLeast(1e6), Rig: core, Metrics: []string{"BenchmarkCore/v6 grants/s"}},
	{Name: "ipam/memory", Unit: "bytes", Bar: bench.AtMost(200), Rig: core,
		Metrics: []string{"BenchmarkCore/v4 B/address", "BenchmarkCore/v6 B/address"}},
	{Name: "ipam/plan-unchanged", Unit: "ms", Bar: bench.AtMost(5), Rig: plan, Scale: nanoToMs,
		Metrics: []string{"BenchmarkPlanUnchanged ns/op"}},
	{Name: "ipam/update-one", Unit: "µs", Bar: bench.AtMost(100), Rig: plan, Scale: nanoToUs,
		Metrics: []string{"BenchmarkUpdateOne/add ns/op", "BenchmarkUpdateOne/remove ns/op"}},
}
