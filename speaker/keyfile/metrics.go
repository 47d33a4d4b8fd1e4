package keyfile

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

type metrics struct {
	info           *prometheus.GaugeVec
	refused, hasty prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "steelyard", Subsystem: "gossip_keys", Name: name, Help: help}
	}
	m := &metrics{
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("info",
			"The gossip keys in use, by name; one of them is used to send, all are accepted.")), []string{"key", "use"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts(opts("refused_total",
			"Times the file of the gossip keys became unusable, so that the old keys stayed."))),
		hasty: prometheus.NewCounter(prometheus.CounterOpts(opts("hasty_total",
			"Changes of the gossip keys in one step, which other nodes may not be able to follow."))),
	}
	if reg != nil {
		reg.MustRegister(m.info, m.refused, m.hasty)
	}
	return m
}

func (m *metrics) show(r keys.Ring) {
	m.info.Reset()
	for i, name := range r.Names() {
		use := "accept"
		if i == 0 {
			use = "send"
		}
		m.info.WithLabelValues(name, use).Set(1)
	}
}
