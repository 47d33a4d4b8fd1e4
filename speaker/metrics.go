package speaker

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	disbelieved prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{disbelieved: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "steelyard", Subsystem: "pulse", Name: "disbelieved_total",
		Help: "Silent nodes that gossip went on reaching, so that their silence was no longer believed."})}
	if reg != nil {
		reg.MustRegister(m.disbelieved)
	}
	return m
}
