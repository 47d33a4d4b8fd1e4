package relay

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// same tells whether r says what o does.
func (r Report) same(o Report) bool {
	return r.Problem == o.Problem && r.Port == o.Port && (r.Serves == nil) == (o.Serves == nil) && maps.Equal(r.Serves, o.Serves)
}

// metrics are those of a relay, as a speaker shows them.
type metrics struct {
	up, open                                            *prometheus.Desc
	accepted, refused, attempts, noPorts, ended, queued *prometheus.Desc
	bytes                                               *prometheus.Desc

	mu     sync.Mutex
	there  bool
	counts Counts
}

func newMetrics(reg prometheus.Registerer) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("steelyard_relay_"+name, help, labels, nil)
	}
	m := &metrics{
		up:       desc("up", "1 if the relay of this node can be reached."),
		open:     desc("connections", "Connections that are open through the relay."),
		accepted: desc("connections_total", "Connections that the relay accepted."),
		refused:  desc("refused_total", "Connections that the relay reset at once, by reason: unknown (no such frontend, or none of its backends), headless (of a proxy in front, without a header), failed (no backend took it).", "reason"),
		attempts: desc("connect_failures_total", "Attempts to connect to a backend that failed, retried at another or not."),
		noPorts:  desc("source_ports_exhausted_total", "Attempts that failed for want of a free source port."),
		ended:    desc("ended_total", "Connections that the relay reset later, by reason: idle, orphaned (the backend is none any more).", "reason"),
		queued:   desc("accept_paused_total", "Times that accepting was put off because of too many connections."),
		bytes:    desc("bytes_total", "Bytes relayed, of connections that have ended, by direction: from or to clients.", "direction"),
	}
	if reg != nil {
		reg.MustRegister(m)
	}
	return m
}

func (m *metrics) take(c Counts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.there, m.counts = true, c
}

func (m *metrics) lost() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.there, m.counts.Open = false, 0
}

// Describe is of [prometheus.Collector].
func (m *metrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect is of [prometheus.Collector].
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	there, c := 0.0, m.counts
	if m.there {
		there = 1
	}
	m.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(m.up, there)
	gauge(m.open, float64(c.Open))
	count(m.accepted, c.Accepted)
	count(m.refused, c.Unknown, "unknown")
	count(m.refused, c.Headless, "headless")
	count(m.refused, c.Failed, "failed")
	count(m.attempts, c.Attempts)
	count(m.noPorts, c.Ports)
	count(m.ended, c.Idle, "idle")
	count(m.ended, c.Orphaned, "orphaned")
	count(m.queued, c.Full)
	count(m.bytes, c.FromBytes, "from")
	count(m.bytes, c.ToBytes, "to")
}
