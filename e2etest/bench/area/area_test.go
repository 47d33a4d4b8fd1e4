package area

import (
	"fmt"
	"strings"
	"testing"
)

// The names and bars that were promised. A peer that is only shown is there, too.
func TestPromises(t *testing.T) {
	promised := map[string]string{
		"self/twin": "ns itself = 1 ± 0.08", "self/slowed": "ns optimized <= 1.08",
		"ipam/core-v4": "grants/s  >= 1000000", "ipam/core-v6": "grants/s  >= 1000000",
		"ipam/plan-unchanged": "ms  <= 5", "ipam/update-one": "µs  <= 100", "ipam/memory": "bytes  <= 200",
		"ipam/throughput": "Services/s bare loop >= 0.9",
		"ipam/latency":    "ms floor <= 1.25", "ipam/latency-p99": "ms floor <= 1.5", "ipam/latency-loaded": "ms floor <= 100",
		"ipam/rss-1k": "MB  <= 50", "ipam/rss-10k": "MB  <= 100",
		"l2/failover-poweroff": "ms keepalived 0.1 s <= 300", "l2/failover-poweroff-max": "ms keepalived 0.1 s <= 500",
		"l2/failover-linkcut": "ms keepalived 0.1 s <= 300", "l2/failover-linkcut-max": "ms keepalived 0.1 s <= 500",
		"l2/failover-freeze": "ms keepalived 0.1 s <= 300", "l2/failover-freeze-max": "ms keepalived 0.1 s <= 500",
		"l2/failover-endpoints": "ms  <= 1000",
		"l2/flap":               "trials  = 10", "l2/flap-double": "ms  <= 1000",
		"l2/speaker-kill": "requests  = 0", "l2/speaker-kill-arp": "ms  <= 1000",
		"l2/restart-open":  "connections  = 0",
		"l2/planned-drain": "requests  = 0", "l2/planned-rebalance": "requests  = 0", "l2/planned-long": "requests  = 0", "l2/rollout": "requests  = 0", "l2/node-return": "requests  = 0",
		"l2/stability": "changes  = 0", "l2/mass-takeover": "ms  <= 1000",
		"l2/arp-p99": "ms  <= 2", "l2/noise": "% of a core  <= 2", "l2/rss-1k": "MB  <= 80",
		"bgp/full-10k": "ms BIRD <= 1000", "bgp/withdraw-10k": "ms BIRD <= 1000", "bgp/rss": "MB zebra+bgpd+bfdd <= 120",
		"bgp/create-to-fib": "ms  <= 100", "bgp/kill9": "changes  = 0", "bgp/rollout": "changes  = 0", "bgp/drain": "requests  = 0", "bgp/linkcut-gap": "ms  <= 400",
		"l4/conn": "ratio plain routing with conntrack, per CPU-s >= 0.92", "l4/rr": "ratio plain routing with conntrack, per CPU-s >= 0.92",
		"l4/udp": "ratio plain routing with conntrack, per CPU-s >= 0.92", "l4/bytes": "ratio plain routing with conntrack, per CPU-s >= 0.92",
		"l4/conn-masq": "ratio plain routing with conntrack, per CPU-s >= 0.85", "l4/conn-10k": "ratio plain routing with conntrack, per CPU-s >= 0.85",
		"l4/conn-vs-kubeproxy": "ratio kube-proxy nftables, per CPU-s >= 1.05", "l4/conn-vs-iptables": "ratio kube-proxy iptables, per CPU-s >= 2",
		"l4/change": "ms  <= 10", "l4/rollout": "requests  = 0", "l4/deadnode": "ms  <= 1000", "l4/rss": "MB  <= 300",
		"l4/write": "ms  <= 1", "l4/cold": "s  <= 5",
		"bfd/detect": "ms  <= 200", "bfd/detected": "ratio FRR–FRR pair (ms) <= 1.1", "bfd/sessions": "% of a core FRR's bfdd <= 1", "bfd/flaps": "downs  = 0",
		"relay/conn": "ratio the better of >= 0.9", "relay/rr": "ratio the better of >= 0.9", "relay/bytes": "ratio the better of >= 0.9",

		"http/h1-1k-64": "requests/CPU-s nginx >= 1.15, HAProxy >= 1.3", "http/h1-1k-512": "requests/CPU-s nginx >= 1.15, HAProxy >= 1.3",
		"http/h1-100k": "requests/CPU-s nginx >= 1.3, HAProxy >= 1.3",
		"http/tls-1k":  "requests/CPU-s nginx >= 1.15, HAProxy >= 1.3", "http/tls-100k": "requests/CPU-s nginx >= 1.15, HAProxy >= 1.3",
		"http/handshakes": "requests/CPU-s nginx >= 1, HAProxy >= 1",
		"http/h2-1k":      "requests/CPU-s nginx >= 1.5, HAProxy >= 1.3", "http/h2-100k": "requests/CPU-s nginx >= 1.05, HAProxy >= 1.2",
		"http/p99-512": "ms nginx <= 1, HAProxy <= 1", "http/pss-512": "MB nginx <= 0.6, HAProxy <= 0.6",
		"http/pss-idle-4000": "MB nginx <= 0.6, HAProxy <= 0.6", "http/cpu-halfload": "µs/request nginx <= 0.85, HAProxy <= 0.85",
		"http/grpc-unary": "calls/CPU-s nginx -, HAProxy -",
		"http/websocket":  "messages/CPU-s nginx -, HAProxy -", "http/route": "µs  <= 1", "http/swap": "times p99  <= 2",
	}
	for _, f := range All() {
		got := strings.Join([]string{f.Unit, f.Peer, f.Bar.String()}, " ")
		for i, bar := range f.AlsoBars {
			got += fmt.Sprintf(", %s %v", f.Also[i].Name, bar)
		}
		if got != promised[f.Name] {
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
