package ingress

import (
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/ingress/route"
)

// metrics tell of the tables that were applied.
type metrics struct {
	swaps prometheus.Counter
	size  *prometheus.GaugeVec // of the table, by what: hosts, routes, endpoints
}

// newMetrics makes the metrics and, unless reg is nil, registers them.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		swaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "steelyard_ingress_table_swaps_total", Help: "Routing tables applied.",
		}),
		size: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "steelyard_ingress_table_size", Help: "Size of the routing table.",
		}, []string{"of"}),
	}
	if reg != nil {
		reg.MustRegister(m.swaps, m.size)
	}
	return m
}

// applied counts a table.
func (m *metrics) applied(table *route.Table) {
	hosts, routes := table.Size()
	endpoints := map[netip.AddrPort]struct{}{}
	for _, g := range table.Groups() {
		for _, addr := range g.Endpoints {
			endpoints[addr] = struct{}{}
		}
	}
	m.swaps.Inc()
	m.size.WithLabelValues("hosts").Set(float64(hosts))
	m.size.WithLabelValues("routes").Set(float64(routes))
	m.size.WithLabelValues("endpoints").Set(float64(len(endpoints)))
}
