package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/failover"
)

// How the figures of layer 2 are measured.
var (
	l2Lab                       = &failover.Lab{}
	poweroff, linkcut, freeze   = l2Lab.PowerOff(), l2Lab.LinkCut(), l2Lab.Freeze()
	endpoints, flap, killed     = l2Lab.Endpoints(), l2Lab.Flap(), l2Lab.SpeakerKill()
	open, drain, rollout, comes = l2Lab.RestartOpen(), l2Lab.Drain(), l2Lab.Rollout(), l2Lab.NodeReturn()
	rebalance, long             = l2Lab.Rebalance(), l2Lab.PlannedLong()
	stability, mass, noise      = l2Lab.Stability(), l2Lab.MassTakeover(), l2Lab.Noise()
)

// gap is a figure of how long nobody is answered, with keepalived beside us.
func gap(name string, rig *bench.Rig, of bench.Aggregate, limit float64) bench.Figure {
	return bench.Figure{
		Name: name, Unit: "ms", Peer: "keepalived 0.1 s", Absolute: true,
		Also: []bench.Reading{{Name: "1 s", Metric: failover.MetricGapSlow}},
		Bar:  bench.AtMost(limit), Of: of, Rig: rig, Metrics: []string{failover.MetricGap},
	}
}

// none is a figure of what must not happen in any round.
func none(name, unit string, rig *bench.Rig, metric string) bench.Figure {
	return bench.Figure{Name: name, Unit: unit, Bar: bench.Exactly(0), Of: bench.Total, Rig: rig, Metrics: []string{metric}}
}

var l2 = []bench.Figure{
	gap("l2/failover-poweroff", poweroff, bench.Middle, 300),
	gap("l2/failover-poweroff-max", poweroff, bench.Largest, 500),
	gap("l2/failover-linkcut", linkcut, bench.Middle, 300),
	gap("l2/failover-linkcut-max", linkcut, bench.Largest, 500),
	gap("l2/failover-freeze", freeze, bench.Middle, 300),
	gap("l2/failover-freeze-max", freeze, bench.Largest, 500),
	{Name: "l2/failover-endpoints", Unit: "ms", Bar: bench.AtMost(1000), Rig: endpoints, Metrics: []string{failover.MetricLast}},

	{Name: "l2/flap", Unit: "trials", Bar: bench.Exactly(10), Of: bench.Total, Rig: flap, Metrics: []string{failover.MetricRecovered}},
	{Name: "l2/flap-double", Unit: "ms", Bar: bench.AtMost(1000), Of: bench.Largest, Rig: flap, Metrics: []string{failover.MetricDouble}},
	none("l2/speaker-kill", "requests", killed, failover.MetricFailed),
	{Name: "l2/speaker-kill-arp", Unit: "ms", Bar: bench.AtMost(1000), Of: bench.Largest, Rig: killed, Metrics: []string{failover.MetricARP}},
	none("l2/restart-open", "connections", open, failover.MetricBroken),
	none("l2/planned-drain", "requests", drain, failover.MetricFailed),
	none("l2/planned-rebalance", "requests", rebalance, failover.MetricFailed),
	none("l2/planned-long", "requests", long, failover.MetricFailed),
	none("l2/rollout", "requests", rollout, failover.MetricFailed),
	none("l2/node-return", "requests", comes, failover.MetricFailed),

	none("l2/stability", "changes", stability, failover.MetricChanges),
	{Name: "l2/mass-takeover", Unit: "ms", Bar: bench.AtMost(1000), Rig: mass, Metrics: []string{failover.MetricTakeover}},
	{Name: "l2/arp-p99", Unit: "ms", Bar: bench.AtMost(2), Rig: noise, Metrics: []string{failover.MetricARP99}},
	{Name: "l2/noise", Unit: "% of a core", Bar: bench.AtMost(2), Rig: noise, Metrics: []string{failover.MetricCPU}},
	{Name: "l2/rss-1k", Unit: "MB", Bar: bench.AtMost(80), Rig: noise, Metrics: []string{failover.MetricRSS}},
}
