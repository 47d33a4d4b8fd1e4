package pulse

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sessions                      *prometheus.GaugeVec
	packets                       *prometheus.CounterVec
	detection                     prometheus.Histogram
	revived, undecrypted, stalled prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "steelyard", Subsystem: "pulse", Name: name, Help: help}
	}
	m := &metrics{
		sessions: prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("sessions", "Nodes that beats are exchanged with, by state.")), []string{"state"}),
		packets: prometheus.NewCounterVec(prometheus.CounterOpts(opts("packets_total",
			"Heartbeat packets: sent, received, or dropped as unproven or replayed.")), []string{"what"}),
		detection: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "steelyard", Subsystem: "pulse", Name: "detection_seconds",
			Help:    "Silence of a node when this one found it dead.",
			Buckets: []float64{.1, .14, .155, .17, .2, .25, .3, .5, 1}}),
		revived: prometheus.NewCounter(prometheus.CounterOpts(opts("revived_total",
			"Nodes found dead that were heard again: healed links and false alarms."))),
		undecrypted: prometheus.NewCounter(prometheus.CounterOpts(opts("undecrypted_total",
			"Packets dropped because they were made with another key, or by somebody else."))),
		stalled: prometheus.NewCounter(prometheus.CounterOpts(opts("stalls_total",
			"Times this process did not run for half a beat or longer when it had to."))),
	}
	if reg != nil {
		reg.MustRegister(m.sessions, m.packets, m.detection, m.revived, m.undecrypted, m.stalled)
	}
	return m
}

func (m *metrics) count(ev events, sent int) {
	m.packets.WithLabelValues("sent").Add(float64(sent))
	m.packets.WithLabelValues("unproven").Add(float64(ev.unproven))
	m.packets.WithLabelValues("replayed").Add(float64(ev.replayed))
	for _, d := range ev.died {
		m.detection.Observe(d.Seconds())
	}
	m.revived.Add(float64(ev.revived))
}

func (m *metrics) states(n map[State]int) {
	for state, name := range map[State]string{Unknown: "unknown", Up: "up", Down: "down", Vacant: "vacant"} {
		m.sessions.WithLabelValues(name).Set(float64(n[state]))
	}
}
