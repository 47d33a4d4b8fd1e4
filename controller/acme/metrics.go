package acme

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/steelyard-lb/steelyard/controller/issuance"
)

type metrics struct {
	orders  *prometheus.CounterVec
	driven  prometheus.Gauge
	waiting prometheus.Gauge
	expiry  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &metrics{
		orders: f.NewCounterVec(prometheus.CounterOpts{
			Name: "steelyard_acme_orders_total", Help: "Attempts to get a certificate by ACME, by result.",
		}, []string{"result"}),
		driven:  gauge("steelyard_acme_orders_active", "Orders of certificates under way."),
		waiting: gauge("steelyard_acme_certificates_waiting", "Certificates that are needed and may not be ordered yet."),
		expiry:  gauge("steelyard_acme_next_expiry_timestamp_seconds", "When the first of the certificates asked for by ACME expires; 0: there is none."),
	}
}

// plan publishes what is to be done.
func (m *metrics) plan(p *issuance.Plan, busy int) {
	m.driven.Set(float64(busy))
	m.waiting.Set(float64(p.Waiting))
	m.expiry.Set(0)
	if !p.Expiry.IsZero() {
		m.expiry.Set(float64(p.Expiry.Unix()))
	}
}

// rest is for who does not lead any more.
func (m *metrics) rest() {
	m.driven.Set(0)
	m.waiting.Set(0)
	m.expiry.Set(0)
}
