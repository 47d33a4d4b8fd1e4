package l4proxy

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// TestRelayedIsAsForwarded: with the PROXY protocol a client meets the same
// backend as without, by way of the relay, in every random cluster; who is let in,
// and what is refused or dropped, is the same; and nothing else changes. An Update
// gives what Build gives.
func TestRelayedIsAsForwarded(t *testing.T) {
	relay := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:17490"), netip.MustParseAddrPort("[2001:db8:1::1]:17490")}
	forwarded, elsewhere := 0, 0
	for seed := range uint64(60) {
		w := newWorld(seed)
		var prev Table
		for range 15 {
			w.step()
			plain := map[config.Key]*config.Service{}
			for key, svc := range w.services {
				was := *svc
				was.ProxyProtocol = nil
				plain[key] = &was
				if w.r.IntN(3) == 0 {
					now := *svc
					now.ProxyProtocol = nil
					if w.r.IntN(3) > 0 {
						now.ProxyProtocol = &config.ProxyProtocol{Version: 2}
					}
					w.services[key] = &now
					w.changed.Services = append(w.changed.Services, key)
				}
			}
			snap := w.snapshot()
			o := w.o
			o.Relay = relay
			table := Update(prev, snap, o)
			prev = table
			twin := Build(snap, o)
			bare := *snap
			bare.Services = config.TableOf(plain)
			want := Build(&bare, w.o)
			checkSame(t, table, twin)
			for _, p := range packets(w) {
				got, expected := table.Trace(p), want.Trace(p)
				target := table.Target(Frontend{p.Dst, p.Proto})
				if !target.Relay.On() || expected.Action != Forward {
					if got.Action != expected.Action || !target.Relay.On() && got.Backend != expected.Backend {
						t.Fatalf("seed %d: %+v: %+v, without relay %+v", seed, p, got, expected)
					}
					elsewhere++
					continue
				}
				forwarded++
				if got.Action != Forward || !table.LedToRelay(got.Backend) || config.FamilyOf(got.Backend.Addr()) != config.FamilyOf(p.Dst.Addr()) {
					t.Fatalf("seed %d: %+v: %+v does not lead to the relay", seed, p, got)
				}
				group := target.Relay.Group
				if target.Relay.Inside != nil && (p.Here || table.isPod(p.Src.Addr())) {
					group = target.Relay.Inside
				}
				if b := group.Pick(p.Src); b.Addr != expected.Backend {
					t.Fatalf("seed %d: %+v: the relay picks %v, the kernel would %v", seed, p, b.Addr, expected.Backend)
				}
			}
		}
	}
	if forwarded < 500 || elsewhere < 1000 {
		t.Errorf("only %d packets relayed, %d not", forwarded, elsewhere)
	}
}

// TestWithoutRelay: what a relay is needed for is refused without one, and does
// not reach a backend that awaits a header.
func TestWithoutRelay(t *testing.T) {
	const vip = "198.51.100.1:80"
	snap := cluster(&config.Service{ProxyProtocol: &config.ProxyProtocol{Version: 2}}, "10.0.0.1@n0 10.0.0.2@n1")
	table := Build(snap, Options{Node: "n0"})
	if got := describe(table, vip); got != "reject" {
		t.Errorf("leads to %q", got)
	}
	if table.RelayedLen() != 1 || !table.Serves(netip.MustParseAddr("198.51.100.1")) {
		t.Errorf("%d frontends want the relay", table.RelayedLen())
	}
	there := Options{Node: "n0", Relay: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:17490")}}
	with := Update(table, snap, there)
	if got := describe(with, vip); got != "192.0.2.1" {
		t.Errorf("leads to %q", got)
	}
	for f, r := range with.Relayed() {
		if f.Addr.String() != vip || r.ProxyProtocol.Version != 2 || len(r.Group.Backends) != 2 || r.Inside != nil {
			t.Errorf("%v %+v", f, r)
		}
	}
	// What the kernel led to backends before goes on.
	lead := with.Target(Frontend{netip.MustParseAddrPort(vip), config.TCP}).Group
	plain := Build(cluster(&config.Service{}, "10.0.0.1@n0 10.0.0.2@n1 10.0.0.3@n1~"), there)
	for _, b := range plain.Target(Frontend{netip.MustParseAddrPort(vip), config.TCP}).Group.Backends {
		if !lead.Keeps(b.Addr) {
			t.Errorf("connections to %v end", b.Addr)
		}
	}
	if lead.ID == plain.Target(Frontend{netip.MustParseAddrPort(vip), config.TCP}).Group.ID {
		t.Error("the group that leads to the relay has the ID of one that does not")
	}
	// Policy Local: elsewhere, the node itself is served and others are dropped.
	svc := &config.Service{ProxyProtocol: &config.ProxyProtocol{Version: 1}, Local: true}
	far := Build(cluster(svc, "10.0.0.2@n1"), there)
	target := far.Target(Frontend{netip.MustParseAddrPort(vip), config.TCP})
	if g := target.Relay.Group; target.Action != Drop || target.Inside == nil || g != nil && len(g.Backends) > 0 || target.Relay.Inside == nil {
		t.Errorf("%+v", target)
	}
	// Connections that the relay has to backends which only drain go on there.
	drains := Build(cluster(&config.Service{ProxyProtocol: &config.ProxyProtocol{Version: 2}}, "10.0.0.1@n0!"), there)
	target = drains.Target(Frontend{netip.MustParseAddrPort(vip), config.TCP})
	if target.Action != Reject || target.Relay.Group == nil || !target.Relay.Group.Keeps(netip.MustParseAddrPort("10.0.0.1:8080")) {
		t.Errorf("%+v", target)
	}
	if got := fmt.Sprint(far.Insiders()); got != "[]" {
		t.Errorf("inside are %s", got)
	}
}
