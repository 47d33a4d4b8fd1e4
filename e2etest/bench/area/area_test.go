package area

import (
	"strings"
	"testing"
)

// The names and bars that were promised.
func TestPromises(t *testing.T) {
	promised := map[string]string{
		"self/twin": "ns itself = 1 ± 0.08", "self/slowed": "ns optimized <= 1.08",
		"ipam/core-v4": "grants/s  >= 1000000", "ipam/core-v6": "grants/s  >= 1000000",
		"ipam/plan-unchanged": "ms  <= 5", "ipam/update-one": "µs  <= 100", "ipam/memory": "bytes  <= 200",
		"ipam/throughput": "Services/s bare loop >= 0.9",
		"ipam/latency":    "ms floor <= 1.25", "ipam/latency-p99": "ms floor <= 1.5", "ipam/latency-loaded": "ms  <= 100",
		"ipam/rss-1k": "MB  <= 50", "ipam/rss-10k": "MB  <= 100",
	}
	for _, f := range All() {
		if got := strings.Join([]string{f.Unit, f.Peer, f.Bar.String()}, " "); got != promised[f.Name] {
			t.Errorf("%s is %q, promised is %q", f.Name, got, promised[f.Name])
		}
		delete(promised, f.Name)
		if f.Rig == nil || f.Rig.Open == nil || len(f.Metrics) == 0 {
			t.Errorf("%s is not measured", f.Name)
		}
	}
	for name := range promised {
		t.Errorf("%s is promised and not there, or there twice", name)
	}
}
