package l4proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func among(list []netip.AddrPort) func(netip.AddrPort) bool {
	return func(a netip.AddrPort) bool { return slices.Contains(list, a) }
}

// A refused client is offered every backend once, and no other; clients of one
// backend are spread over the others.
func TestAnother(t *testing.T) {
	web := Frontend{netip.MustParseAddrPort("198.51.100.1:80"), config.TCP}
	table := Build(cluster(&config.Service{}, "10.0.0.1@n0 10.0.0.2@n1 10.0.0.3@n2 10.0.0.4@n2!"), Options{Node: "n0"})
	next := map[string]int{}
	for port := range uint16(300) {
		client := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), 2000+port)
		refused := []netip.AddrPort{table.Target(web).Group.Pick(client).Addr}
		for len(refused) < 3 {
			b, ok := table.Another(web, client, among(refused))
			if !ok {
				t.Fatalf("%v: refused by %v, nobody else", client, refused)
			}
			if len(refused) == 1 {
				next[fmt.Sprint(refused[0].Addr(), " ", b.Addr.Addr())]++
			}
			refused = append(refused, b.Addr)
		}
		if b, ok := table.Another(web, client, among(refused)); ok {
			t.Errorf("%v: refused by all and offered %v", client, b.Addr)
		}
	}
	for pair, n := range next {
		if n < 20 {
			t.Errorf("%s: %d of 300", pair, n)
		}
	}
	if len(next) != 6 {
		t.Errorf("got %v", next)
	}
	if b, ok := table.Another(Frontend{netip.MustParseAddrPort("198.51.100.1:81"), config.TCP}, netip.MustParseAddrPort("192.0.2.7:9"), among(nil)); ok {
		t.Errorf("a port that is not served leads to %v", b.Addr)
	}
}

// With affinity all connections of a client that are refused go to the same backend.
func TestAnotherWithAffinity(t *testing.T) {
	web := Frontend{netip.MustParseAddrPort("198.51.100.1:80"), config.TCP}
	table := Build(cluster(&config.Service{Affinity: 1}, "10.0.0.1@n0 10.0.0.2@n1 10.0.0.3@n2"), Options{Node: "n0"})
	var first Backend
	for port := range uint16(20) {
		client := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), 2000+port)
		b, ok := table.Another(web, client, among([]netip.AddrPort{table.Target(web).Group.Pick(client).Addr}))
		if port == 0 {
			first = b
		}
		if !ok || b != first {
			t.Errorf("port %d: %v, before %v", port, b, first)
		}
	}
}
