package pulse

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics shows the last update, whichever process exchanges the beats.
type metrics struct {
	last      atomic.Pointer[Update]
	detection prometheus.Histogram
	sessions, packets, revived,
	undecrypted, stalls *prometheus.Desc
}

// newMetrics makes them; reg may be nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("steelyard", "pulse", name), help, labels, nil)
	}
	m := &metrics{
		sessions: desc("sessions", "Nodes that beats are exchanged with, by state.", "state"),
		packets:  desc("packets_total", "Heartbeat packets: sent, received, or dropped as unproven or replayed.", "what"),
		detection: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "steelyard", Subsystem: "pulse", Name: "detection_seconds",
			Help:    "Silence of a node when this one found it dead.",
			Buckets: []float64{.1, .14, .155, .17, .2, .25, .3, .5, 1}}),
		revived:     desc("revived_total", "Nodes found dead that were heard again: healed links and false alarms."),
		undecrypted: desc("undecrypted_total", "Packets dropped because they were made with another key, or by somebody else."),
		stalls:      desc("stalls_total", "Times the process of the heartbeats did not run for half a beat or longer when it had to."),
	}
	if reg != nil {
		reg.MustRegister(m, m.detection)
	}
	return m
}

// take makes u the update that is shown.
func (m *metrics) take(u Update) {
	m.last.Store(&u)
	for _, d := range u.Died {
		m.detection.Observe(d.Seconds())
	}
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.sessions, m.packets, m.revived, m.undecrypted, m.stalls} {
		out <- d
	}
}

// Collect implements [prometheus.Collector]. While nothing is known there is
// nothing to show: a counter at 0 would look like one that began anew.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	u := m.last.Load()
	if u == nil || u.Problem != "" {
		return
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for state, name := range map[State]string{Unknown: "unknown", Up: "up", Down: "down", Vacant: "vacant"} {
		out <- prometheus.MustNewConstMetric(m.sessions, prometheus.GaugeValue, float64(u.Sessions[state]), name)
	}
	count(m.packets, u.Sent, "sent")
	count(m.packets, u.Received, "received")
	count(m.packets, u.Unproven, "unproven")
	count(m.packets, u.Replayed, "replayed")
	count(m.revived, u.Revived)
	count(m.undecrypted, u.Undecrypted)
	count(m.stalls, u.Stalls)
}
