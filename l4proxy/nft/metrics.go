package nft

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

type metrics struct {
	duration  prometheus.Histogram
	frontends prometheus.Gauge
	chances   prometheus.Gauge
	elements  prometheus.Counter
	resyncs   prometheus.Counter
	errors    prometheus.Counter
	purged    prometheus.Counter
	retried   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "steelyard_l4_" + name, Help: help})
	}
	m := &metrics{
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "steelyard_l4_apply_seconds",
			Help:    "Time to write a forwarding table to the kernel.",
			Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .05, .2, 1, 5, 20}}),
		frontends: prometheus.NewGauge(prometheus.GaugeOpts{Name: "steelyard_l4_frontends",
			Help: "Addresses and ports that the kernel forwards or refuses."}),
		chances: prometheus.NewGauge(prometheus.GaugeOpts{Name: "steelyard_l4_second_chances",
			Help: "Addresses whose open connections go on through the node that had them before."}),
		elements: counter("elements_written_total", "Elements added to or deleted from our nftables sets."),
		resyncs:  counter("resyncs_total", "Times the kernel table was found changed by somebody else."),
		errors:   counter("apply_errors_total", "Tables that could not be written."),
		purged:   counter("conntrack_purged_total", "Connections to vanished endpoints that were forgotten."),
		retried:  counter("retried_total", "Times that a connection which an endpoint refused was led to another."),
	}
	if reg != nil {
		reg.MustRegister(m.duration, m.frontends, m.chances, m.elements, m.resyncs, m.errors, m.purged, m.retried)
	}
	return m
}

func (m *metrics) applied(took time.Duration, t l4proxy.Table, err error) {
	m.duration.Observe(took.Seconds())
	if err != nil {
		m.errors.Inc()
		return
	}
	m.frontends.Set(float64(t.Len()))
	m.chances.Set(float64(len(t.Chances().Hops)))
}
