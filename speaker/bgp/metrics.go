package bgp

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are labelled by BGPPeer name, and flaps by the Kind of their Reason.
type metrics struct {
	up       *prometheus.GaugeVec
	prefixes *prometheus.GaugeVec
	updates  *prometheus.CounterVec
	flaps    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) (namespace prometheus.Opts) {
		return prometheus.Opts{Namespace: "steelyard", Subsystem: "bgp", Name: name, Help: help}
	}
	m := &metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("session_up",
			"1 while the BGP session to the peer is established.")), []string{"peer"}),
		prefixes: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("announced_prefixes",
			"Prefixes offered to the peer on its present session.")), []string{"peer"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts(opts("updates_total",
			"Route changes (announced, changed or withdrawn) handed to the peer's session.")), []string{"peer"}),
		flaps: prometheus.NewCounterVec(prometheus.CounterOpts(opts("flaps_total",
			"Falls of an established session, by reason.")), []string{"peer", "reason"}),
	}
	for _, c := range []prometheus.Collector{m.up, m.prefixes, m.updates, m.flaps} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register BGP metrics: %w", err)
		}
	}
	return m, nil
}

// show sets the gauges of one session.
func (m *metrics) show(s SessionState) {
	up := 0.0
	if s.Up() {
		up = 1
	}
	m.up.WithLabelValues(s.Peer).Set(up)
	m.prefixes.WithLabelValues(s.Peer).Set(float64(s.Prefixes))
}

// forget drops a removed peer's series.
func (m *metrics) forget(peer string) {
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.up, m.prefixes, m.updates, m.flaps} {
		v.DeletePartialMatch(prometheus.Labels{"peer": peer})
	}
}
