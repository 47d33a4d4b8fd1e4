package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/gobench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/grants"
)

// How the figures of addresses are measured.
var (
	core = gobench.Rig("core", gobench.Spec{Package: "./ipam", Bench: "^BenchmarkCore$", Time: "5x"})
	plan = gobench.Rig("plan", gobench.Spec{Package: "./ipam", Bench: "^(BenchmarkPlanUnchanged|BenchmarkUpdateOne)$", Time: "500ms"})

	scaleLab                      = &grants.Lab{}
	latency, loaded, burst, crowd = scaleLab.Latency(), scaleLab.Loaded(), scaleLab.Burst(), scaleLab.Crowd()
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

	{Name: "ipam/latency", Unit: "ms", Peer: "floor", Bar: bench.AtMost(1.25), Rig: latency, Metrics: []string{grants.MetricP50}},
	{Name: "ipam/latency-p99", Unit: "ms", Peer: "floor", Bar: bench.AtMost(1.5), Rig: latency, Metrics: []string{grants.MetricP99}},
	{Name: "ipam/latency-loaded", Unit: "ms", Peer: "floor", Absolute: true, Bar: bench.AtMost(100), Rig: loaded, Metrics: []string{grants.MetricP99}},
	{Name: "ipam/rss-1k", Unit: "MB", Bar: bench.AtMost(50), Rig: loaded, Metrics: []string{grants.MetricRSS}},
	{Name: "ipam/throughput", Unit: "Services/s", Peer: "bare loop", Bar: bench.AtLeast(0.9), Rig: burst, Metrics: []string{grants.MetricRate}},
	{Name: "ipam/rss-10k", Unit: "MB", Bar: bench.AtMost(100), Rig: crowd, Metrics: []string{grants.MetricRSS}},
}
