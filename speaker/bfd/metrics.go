package bfd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// metrics are labelled by the peer's address, with its interface if it has one,
// and its VRF; the names are MetalLB's.
type metrics struct {
	up                        *prometheus.GaugeVec
	input, output, ups, downs *prometheus.CounterVec
	discarded                 *prometheus.CounterVec
	discards                  []prometheus.Counter // by reason
	stalls                    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "steelyard", Subsystem: "bfd", Name: name, Help: help}
	}
	perSession := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{"peer", "vrf"})
	}
	m := &metrics{
		up:     prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("session_up", "1 while the BFD session with the peer is up.")), []string{"peer", "vrf"}),
		input:  perSession("control_packet_input", "Control packets received from the peer and kept."),
		output: perSession("control_packet_output", "Control packets sent to the peer."),
		ups:    perSession("session_up_events", "Times the session came up."),
		downs:  perSession("session_down_events", "Times the session was up, and was not any more."),
		discarded: prometheus.NewCounterVec(prometheus.CounterOpts(opts("discarded_packets_total",
			"Control packets that were not kept, by reason.")), []string{"reason"}),
		stalls: prometheus.NewCounter(prometheus.CounterOpts(opts("stalls_total",
			"Times this process did not run for 25 ms or longer when it had to."))),
	}
	m.discards = make([]prometheus.Counter, len(packet.Discards())+1)
	for _, why := range packet.Discards() {
		m.discards[why] = m.discarded.WithLabelValues(why.String())
	}
	if reg != nil {
		reg.MustRegister(m.up, m.input, m.output, m.ups, m.downs, m.discarded, m.stalls)
	}
	return m
}

// label is the peer's.
func (p Path) label() string {
	if p.Interface != "" {
		return p.Peer.String() + "%" + p.Interface
	}
	return p.Peer.String()
}

func (m *metrics) of(p Path) counters {
	peer, vrf := p.label(), p.VRF
	c := counters{
		sent: m.output.WithLabelValues(peer, vrf), received: m.input.WithLabelValues(peer, vrf),
		ups: m.ups.WithLabelValues(peer, vrf), downs: m.downs.WithLabelValues(peer, vrf), up: m.up.WithLabelValues(peer, vrf),
	}
	c.up.Set(0)
	return c
}

// forget drops the series of a session that is gone.
func (m *metrics) forget(p Path) {
	peer, vrf := p.label(), p.VRF
	m.up.DeleteLabelValues(peer, vrf)
	for _, v := range []*prometheus.CounterVec{m.input, m.output, m.ups, m.downs} {
		v.DeleteLabelValues(peer, vrf)
	}
}
