package health

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

type metrics struct {
	checks *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{checks: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "steelyard", Subsystem: "health", Name: "checks_total",
		Help: "Health checks of backends made by this node.",
	}, []string{"kind", "result"})}
	if reg != nil {
		reg.MustRegister(m.checks)
	}
	return m
}

func (m *metrics) count(kind config.CheckKind, r check.Result) {
	result := "passed"
	switch {
	case r.Hung:
		result = "timeout"
	case r.Why != "":
		result = "failed"
	}
	m.checks.WithLabelValues(string(kind), result).Inc()
}
