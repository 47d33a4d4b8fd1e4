package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/relaying"
)

var relayRig = relaying.Rig()

// perCPU is a figure of what the relay gets done in a second of processor time.
func perCPU(name, metric string) bench.Figure {
	return bench.Figure{Name: name, Unit: bench.Ratio, Peer: "the better of", Bar: bench.AtLeast(0.9), Rig: relayRig, Metrics: []string{metric},
		Also: []bench.Reading{{Name: "HAProxy", Metric: relaying.HAProxy + metric}, {Name: "nginx stream", Metric: relaying.Nginx + metric}}}
}

var relay = []bench.Figure{
	perCPU("relay/conn", relaying.MetricConn),
	perCPU("relay/rr", relaying.MetricRR),
	perCPU("relay/bytes", relaying.MetricBytes),
}
