package layer2

import "github.com/prometheus/client_golang/prometheus"

const (
	protoARP = "arp"
	protoNDP = "ndp"

	whenProbed = "probed"
	whenOwned  = "owned"
)

type metrics struct {
	requests, replies, announcements, probes, errors *prometheus.CounterVec
	drops, conflicts                                 *prometheus.CounterVec
	addresses                                        prometheus.Gauge

	arp, ndp counted
}

// counted is what is counted of each frame of a protocol, looked up before.
type counted struct {
	requests, replies prometheus.Counter
	drops             map[drop]prometheus.Counter
}

func (m *metrics) of(proto string) *counted {
	if proto == protoARP {
		return &m.arp
	}
	return &m.ndp
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
		probes:        counter("probes_total", "Probes sent for addresses that no node had before.", "proto"),
		conflicts:     counter("conflicts_total", "Strangers found with an address of ours: before it was taken (probed) or after (owned).", "proto", "when"),
		errors:        counter("errors_total", "Failed operations on sockets.", "op"),
		addresses: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "steelyard", Subsystem: "layer2", Name: "addresses", Help: "Addresses claimed on this node."}),
	}
	m.arp, m.ndp = m.prepare(protoARP), m.prepare(protoNDP)
	if reg != nil {
		reg.MustRegister(m.requests, m.replies, m.drops, m.announcements, m.probes, m.conflicts, m.errors, m.addresses)
	}
	return m
}

// prepare makes the counters of proto, so that they show before they move.
func (m *metrics) prepare(proto string) counted {
	c := counted{m.requests.WithLabelValues(proto), m.replies.WithLabelValues(proto), map[drop]prometheus.Counter{}}
	for _, d := range drops {
		c.drops[d] = m.drops.WithLabelValues(proto, string(d))
	}
	m.announcements.WithLabelValues(proto)
	m.probes.WithLabelValues(proto)
	for _, when := range []string{whenProbed, whenOwned} {
		m.conflicts.WithLabelValues(proto, when)
	}
	return c
}
