package layer2

import "github.com/prometheus/client_golang/prometheus"

const (
	protoARP = "arp"
	protoNDP = "ndp"
)

type metrics struct {
	requests, replies, announcements, errors *prometheus.CounterVec
	drops                                    *prometheus.CounterVec
	addresses                                prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "steelyard", Subsystem: "layer2", Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests:      counter("requests_total", "Frames that passed the socket filter.", "proto"),
		replies:       counter("replies_total", "Replies sent.", "proto"),
		drops:         counter("drops_total", "Frames not answered, by reason.", "proto", "reason"),
		announcements: counter("announcements_total", "Gratuitous ARP and unsolicited neighbor advertisements sent.", "proto"),
		errors:        counter("errors_total", "Failed operations on sockets.", "op"),
		addresses: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "steelyard", Subsystem: "layer2", Name: "addresses", Help: "Addresses claimed on this node."}),
	}
	for _, proto := range []string{protoARP, protoNDP} {
		m.requests.WithLabelValues(proto)
		m.replies.WithLabelValues(proto)
		for _, d := range drops {
			m.drops.WithLabelValues(proto, string(d))
		}
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.replies, m.drops, m.announcements, m.errors, m.addresses)
	}
	return m
}
