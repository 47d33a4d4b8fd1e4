package controller

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

type metrics struct {
	capacity    *prometheus.GaugeVec
	inUse       *prometheus.GaugeVec
	resting     prometheus.Gauge
	allocations *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	waiting     *prometheus.GaugeVec
	latency     prometheus.Histogram
	writes      *prometheus.CounterVec
	queue       prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &metrics{
		capacity: gauge("steelyard_ipam_pool_addresses", "Addresses that the pool can give, in use or not.", "pool", "family"),
		inUse:    gauge("steelyard_ipam_pool_in_use", "Addresses of the pool that are in use.", "pool", "family"),
		resting: f.NewGauge(prometheus.GaugeOpts{
			Name: "steelyard_ipam_resting", Help: "Released addresses that wait for their Service to come back, or for their cool-down to end.",
		}),
		allocations: counter("steelyard_ipam_allocations_total", "Addresses of the pool given to Services.", "pool", "family"),
		refusals:    counter("steelyard_ipam_refusals_total", "Services that were refused an address, once per change.", "reason"),
		waiting:     gauge("steelyard_ipam_waiting", "Services that lack an address now.", "reason"),
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "steelyard_ipam_allocation_seconds",
			Help:    "Time from the first snapshot with a new Service to its address written to the API.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		writes: counter("steelyard_controller_writes_total", "Status writes, by kind of object and result.", "kind", "result"),
		queue: f.NewGauge(prometheus.GaugeOpts{
			Name: "steelyard_controller_queue_depth", Help: "Status writes waiting or under way.",
		}),
	}
}

// plan counts one round of planning.
func (m *metrics) plan(l ipam.Ledger, changes []ipam.Change) {
	m.resting.Set(float64(l.Resting()))
	for _, ch := range changes {
		m.granted(ch)
		if ch.Now == nil || ch.Now.Refusal == nil {
			continue
		}
		if ch.Was == nil || ch.Was.Refusal == nil || ch.Was.Refusal.Reason != ch.Now.Refusal.Reason {
			m.refusals.WithLabelValues(string(ch.Now.Refusal.Reason)).Inc()
		}
	}
	if len(changes) == 0 {
		return
	}
	waiting := l.Waiting()
	for _, reason := range ipam.Reasons {
		m.waiting.WithLabelValues(string(reason)).Set(float64(waiting[reason]))
	}
}

// granted counts the addresses that are new to the Service, in the ledger and
// in the API.
func (m *metrics) granted(ch ipam.Change) {
	if ch.Now == nil {
		return
	}
	fresh := minus(minus(ch.Now.Addrs(), ch.Was.Addrs()), ch.Now.Service.Addrs)
	for _, h := range ch.Now.Held {
		if slices.Contains(fresh, h.Addr) {
			m.allocations.WithLabelValues(h.Pool, config.FamilyOf(h.Addr).String()).Inc()
		}
	}
}

// forgetPool ends the series of a pool that is gone.
func (m *metrics) forgetPool(ref config.Ref) {
	if ref.Kind != config.KindIPAddressPool {
		return
	}
	m.capacity.DeletePartialMatch(prometheus.Labels{"pool": ref.Name})
	m.inUse.DeletePartialMatch(prometheus.Labels{"pool": ref.Name})
	m.allocations.DeletePartialMatch(prometheus.Labels{"pool": ref.Name})
}

// pools publishes the pools' counts.
func (m *metrics) pools(use []ipam.PoolUse) {
	for _, u := range use {
		m.capacity.WithLabelValues(u.Pool, "IPv4").Set(float64(u.Assigned4) + float64(u.Kept4) + float64(u.Available4))
		m.capacity.WithLabelValues(u.Pool, "IPv6").Set(float64(u.Assigned6) + float64(u.Kept6) + float64(u.Available6))
		m.inUse.WithLabelValues(u.Pool, "IPv4").Set(float64(u.Assigned4))
		m.inUse.WithLabelValues(u.Pool, "IPv6").Set(float64(u.Assigned6))
	}
}
