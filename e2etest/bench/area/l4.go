package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/crowded"
	"github.com/steelyard-lb/steelyard/e2etest/bench/failover"
	"github.com/steelyard-lb/steelyard/e2etest/bench/forwarding"
	"github.com/steelyard-lb/steelyard/e2etest/bench/gobench"
)

// How the figures of the forwarder are measured. Rigs of one lab stand together:
// hosts of the labs have names in common.
var (
	l4Lab                     = &forwarding.Lab{}
	conn, connMasq, connMany  = l4Lab.Conn(), l4Lab.ConnMasq(), l4Lab.ConnMany()
	rr, udp, bytes            = l4Lab.RR(), l4Lab.UDP(), l4Lab.Bytes()
	connKubeProxy, connTables = l4Lab.ConnKubeProxy(), l4Lab.ConnIPTables()
	write                     = gobench.Rig("l4 write", gobench.Spec{Package: "./l4proxy/nft", Bench: "^BenchmarkChange$/^10000$", Time: "500x", Rounds: 9})
	backendLab                = &failover.Lab{}
	crowdedLab                = &crowded.Lab{}
	change, footprintL4       = crowdedLab.Change(), crowdedLab.RSS()
	replace, deadNode         = backendLab.Replace(), backendLab.DeadNode()
	cold                      = gobench.Rig("l4 cold", gobench.Spec{Package: "./l4proxy/nft", Bench: "^BenchmarkColdStart$", Time: "1x", Rounds: 9})
)

const microToMs = 1e-3

// besideRouting is a figure of traffic with plain routing beside us: work per
// second of processor time. Behind it is what went through per second.
func besideRouting(name string, rig *bench.Rig, limit float64) bench.Figure {
	perSecond := []bench.Reading{{Name: "per s", Metric: forwarding.MetricRate}}
	return bench.Figure{
		Name: name, Unit: bench.Ratio, Peer: "plain routing with conntrack, per CPU-s", Bar: bench.AtLeast(limit), Rig: rig,
		Metrics: []string{forwarding.MetricWork}, Notes: perSecond, Also: perSecond,
	}
}

var l4 = []bench.Figure{
	besideRouting("l4/conn", conn, 0.92),
	besideRouting("l4/rr", rr, 0.92),
	besideRouting("l4/udp", udp, 0.92),
	besideRouting("l4/bytes", bytes, 0.92),
	besideRouting("l4/conn-masq", connMasq, 0.85),
	besideRouting("l4/conn-10k", connMany, 0.85),
	{Name: "l4/conn-vs-kubeproxy", Unit: bench.Ratio, Peer: "kube-proxy nftables, per CPU-s", Bar: bench.AtLeast(1.05), Rig: connKubeProxy,
		Metrics: []string{forwarding.Work(1), forwarding.Work(1000)}},
	{Name: "l4/conn-vs-iptables", Unit: bench.Ratio, Peer: "kube-proxy iptables, per CPU-s", Bar: bench.AtLeast(2), Rig: connTables,
		Metrics: []string{forwarding.Work(10_000)}},
	{Name: "l4/change", Unit: "ms", Bar: bench.AtMost(10), Rig: change, Metrics: []string{crowded.MetricChange99},
		Notes: []bench.Reading{{Name: "p50", Metric: crowded.MetricChange50}}},
	{Name: "l4/rss", Unit: "MB", Bar: bench.AtMost(300), Rig: footprintL4, Metrics: []string{crowded.MetricRSS},
		Notes: []bench.Reading{{Name: "peak", Metric: crowded.MetricPeak}}},
	{Name: "l4/write", Unit: "ms", Bar: bench.AtMost(1), Rig: write, Scale: microToMs, Metrics: []string{"BenchmarkChange/10000 write-p99-µs"}},
	{Name: "l4/cold", Unit: "s", Bar: bench.AtMost(5), Rig: cold, Metrics: []string{"BenchmarkColdStart s-all"},
		Notes: []bench.Reading{{Name: "elements", Metric: "BenchmarkColdStart elements"}, {Name: "kernel MB", Metric: "BenchmarkColdStart kernel-MB"}}},
	{Name: "l4/rollout", Unit: "requests", Bar: bench.Exactly(0), Of: bench.Total, Rig: replace, Metrics: []string{failover.MetricFailed},
		Notes: []bench.Reading{{Name: "answered after more than 200 ms", Metric: failover.MetricSlow}}},
	{Name: "l4/deadnode", Unit: "ms", Bar: bench.AtMost(1000), Of: bench.Largest, Rig: deadNode, Metrics: []string{failover.MetricMisled}},
}
