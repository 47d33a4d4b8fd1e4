package bfd

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// metrics shows the last update, whichever process the sessions are in. Sessions
// are labelled by their whole path, so that no two share a series; the names,
// and the first two labels, are MetalLB's.
type metrics struct {
	last                          atomic.Pointer[Update]
	up, input, output, ups, downs *prometheus.Desc
	discarded, stalls             *prometheus.Desc
}

// newMetrics makes them; reg may be nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("steelyard", "bfd", name), help, labels, nil)
	}
	perSession := func(name, help string) *prometheus.Desc { return desc(name, help, "peer", "vrf", "local", "multihop") }
	m := &metrics{
		up:        perSession("session_up", "1 while the BFD session with the peer is up."),
		input:     perSession("control_packet_input", "Control packets received from the peer and kept."),
		output:    perSession("control_packet_output", "Control packets sent to the peer."),
		ups:       perSession("session_up_events", "Times the session came up."),
		downs:     perSession("session_down_events", "Times the session was up, and was not any more."),
		discarded: desc("discarded_packets_total", "Control packets that were not kept, by reason.", "reason"),
		stalls:    desc("stalls_total", "Times the BFD process did not run for 25 ms or longer when it had to."),
	}
	if reg != nil {
		reg.MustRegister(m)
	}
	return m
}

// take makes u the update that is shown.
func (m *metrics) take(u Update) { m.last.Store(&u) }

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.up, m.input, m.output, m.ups, m.downs, m.discarded, m.stalls} {
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
	for _, s := range u.Statuses {
		if s.Mine == 0 {
			continue // refused: no session
		}
		labels, up := s.labels(), 0.0
		if s.State == packet.Up {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, up, labels...)
		count(m.input, s.Received, labels...)
		count(m.output, s.Sent, labels...)
		count(m.ups, s.Ups, labels...)
		count(m.downs, s.Downs, labels...)
	}
	for _, why := range packet.Discards() {
		count(m.discarded, u.Discarded[why.String()], why.String())
	}
	count(m.stalls, u.Stalls)
}

// labels are the values of a session's.
func (p Path) labels() []string {
	peer, local := p.Peer.String(), ""
	if p.Interface != "" {
		peer += "%" + p.Interface
	}
	if p.Local.IsValid() {
		local = p.Local.String()
	}
	return []string{peer, p.VRF, local, strconv.FormatBool(p.MultiHop)}
}
