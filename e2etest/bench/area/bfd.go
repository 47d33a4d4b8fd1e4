package area

import (
	"github.com/steelyard-lb/steelyard/e2etest/bench"
	"github.com/steelyard-lb/steelyard/e2etest/bench/peering"
)

// How the figures of BFD are measured.
var (
	bfdLab                            = &peering.Lab{}
	detect, detected, sessions, flaps = bfdLab.Detect(), bfdLab.Detected(), bfdLab.Sessions(), bfdLab.Flaps()
)

// bothFamilies are the metrics of what is measured over IPv4 and IPv6 at once.
var bothFamilies = []string{peering.MetricV4, peering.MetricV6}

var bfd = []bench.Figure{
	{Name: "bfd/detect", Unit: "ms", Bar: bench.AtMost(200), Of: bench.Largest, Rig: detect, Metrics: bothFamilies},
	{Name: "bfd/detected", Unit: bench.Ratio, Peer: "FRR–FRR pair (ms)", Bar: bench.AtMost(1.1), Rig: detected, Metrics: bothFamilies},
	{Name: "bfd/sessions", Unit: "% of a core", Peer: "FRR's bfdd", Bar: bench.AtMost(1), Rig: sessions, Metrics: []string{peering.MetricCPU}},
	{Name: "bfd/flaps", Unit: "downs", Bar: bench.Exactly(0), Of: bench.Total, Rig: flaps, Metrics: []string{peering.MetricDowns},
		Notes: []bench.Reading{{Name: "repeated", Metric: peering.MetricRepeated}}},
}
