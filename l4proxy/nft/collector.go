package nft

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
)

// Where the kernel says how full its table of connections is. Each namespace has
// a count of its own.
const (
	conntrackCount = "/proc/sys/net/netfilter/nf_conntrack_count"
	conntrackMax   = "/proc/sys/net/netfilter/nf_conntrack_max"
)

var (
	descConnections = prometheus.NewDesc("steelyard_l4_service_connections_total",
		"New connections and UDP flows to the Service that were led to an endpoint.", []string{"service"}, nil)
	descRefused = prometheus.NewDesc("steelyard_l4_service_refused_total",
		"First packets to the Service that were refused or dropped.", []string{"service", "reason"}, nil)
	descEntries = prometheus.NewDesc("steelyard_l4_conntrack_entries",
		"Connections that the kernel tracks, of whatever kind.", nil, nil)
	descMost = prometheus.NewDesc("steelyard_l4_conntrack_limit",
		"Connections that the kernel can track; more are dropped.", nil, nil)
)

// collector reads the kernel's counts when metrics are asked for, and at no other
// time, on a connection of its own: a scrape and an Apply do not wait for one
// another.
type collector struct {
	forwarder *Forwarder
	mu        sync.Mutex
	kernel    kernel
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- descConnections
	out <- descRefused
	out <- descEntries
	out <- descMost
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for path, desc := range map[string]*prometheus.Desc{conntrackCount: descEntries, conntrackMax: descMost} {
		if n, err := readNumber(path); err == nil {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n)
		}
	}
	tallies, err := c.Tallies()
	if err != nil {
		level.Debug(c.forwarder.log).Log("msg", "counts of Services not read", "err", err)
		return
	}
	for key, t := range tallies {
		service := key.String()
		out <- prometheus.MustNewConstMetric(descConnections, prometheus.CounterValue, float64(t.Forwarded()), service)
		for reason, n := range map[string]uint64{"sourceRange": t.Foreign, "noEndpoints": t.Refused, "noLocalEndpoints": t.Dropped} {
			if n > 0 {
				out <- prometheus.MustNewConstMetric(descRefused, prometheus.CounterValue, float64(n), service, reason)
			}
		}
	}
}

// Tallies are the counts of all Services that had connections; nothing before
// the first Apply.
func (c *collector) Tallies() (map[config.Key]Tally, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forwarder.mu.RLock()
	table, ready := c.forwarder.applied, c.forwarder.ready
	c.forwarder.mu.RUnlock()
	if !ready {
		return nil, nil
	}
	out := map[config.Key]Tally{}
	for _, fam := range c.forwarder.families {
		if err := fam.readTallies(&c.kernel, table, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readNumber(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}
