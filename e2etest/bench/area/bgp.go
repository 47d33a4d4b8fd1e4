package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/failover"
	"github.com/steelyard-lb/steelyard/e2etest/bench/peering"
)

// How the figures of BGP are measured. Those without Kubernetes come first: hosts
// of the two labs have names in common.
var (
	bgpLab                  = &peering.Lab{}
	full, footprint         = bgpLab.Full(), bgpLab.RSS()
	routedLab               = &failover.Lab{Routed: true}
	createToFIB             = routedLab.CreateToFIB()
	kill9, replaced         = routedLab.RoutedKill(), routedLab.RoutedRollout()
	routedDrain, routedLink = routedLab.RoutedDrain(), routedLab.RoutedLinkCut()
)

var bgp = []bench.Figure{
	{Name: "bgp/full-10k", Unit: "ms", Peer: "BIRD", Absolute: true, Bar: bench.AtMost(1000), Rig: full, Metrics: []string{peering.MetricFull}},
	{Name: "bgp/withdraw-10k", Unit: "ms", Peer: "BIRD", Absolute: true, Bar: bench.AtMost(1000), Rig: full, Metrics: []string{peering.MetricWithdraw}},
	{Name: "bgp/rss", Unit: "MB", Peer: "zebra+bgpd+bfdd", Absolute: true, Bar: bench.AtMost(120), Rig: footprint, Metrics: []string{peering.MetricRSS}},
	{Name: "bgp/create-to-fib", Unit: "ms", Bar: bench.AtMost(100), Rig: createToFIB, Metrics: []string{failover.MetricFIB50},
		Notes: []bench.Reading{{Name: "p99", Metric: failover.MetricFIB99}}},
	none("bgp/kill9", "changes", kill9, failover.MetricChanges),
	none("bgp/rollout", "changes", replaced, failover.MetricChanges),
	none("bgp/drain", "requests", routedDrain, failover.MetricFailed),
	{Name: "bgp/linkcut-gap", Unit: "ms", Bar: bench.AtMost(400), Of: bench.Largest, Rig: routedLink, Metrics: []string{failover.MetricOutage}},
}
