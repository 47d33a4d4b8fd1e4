package speaker

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

type metrics struct {
	disbelieved prometheus.Counter
	backends    backendStates
	programming prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{disbelieved: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "steelyard", Subsystem: "pulse", Name: "disbelieved_total",
		Help: "Silent nodes that gossip went on reaching, so that their silence was no longer believed."}),
		programming: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "steelyard", Subsystem: "l4", Name: "programming_seconds",
			Help:    "Time from a change of Services or endpoints, as the API told it, to the kernel's table.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 20}})}
	if reg != nil {
		reg.MustRegister(m.disbelieved, &m.backends, m.programming)
	}
	return m
}

var backendUp = prometheus.NewDesc("steelyard_health_check_up",
	"1 if the backend passes its health checks. It is told by the node that checks it.", []string{"service", "backend"}, nil)

// backendStates are the backends that this node checks, as metrics.
type backendStates struct {
	list atomic.Pointer[[]check.State]
}

// Describe implements prometheus.Collector.
func (s *backendStates) Describe(out chan<- *prometheus.Desc) { out <- backendUp }

// Collect implements prometheus.Collector.
func (s *backendStates) Collect(out chan<- prometheus.Metric) {
	list := s.list.Load()
	if list == nil {
		return
	}
	for _, b := range *list {
		up := 1.0
		if b.Down {
			up = 0
		}
		out <- prometheus.MustNewConstMetric(backendUp, prometheus.GaugeValue, up, b.Service.String(), b.Backend.String())
	}
}
