package l4proxy

import (
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// TestChances: a second chance is given for addresses that the table serves,
// and is a difference like any other.
func TestChances(t *testing.T) {
	addr, other := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	svc := &config.Service{Key: config.Key{Namespace: "ns", Name: "web"}, Type: config.LoadBalancer, Addrs: []netip.Addr{addr},
		Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}}}
	snap := &config.Snapshot{Revision: 1, Services: config.TableOf(map[config.Key]*config.Service{svc.Key: svc}),
		Pools: []*config.Pool{{Ranges: []config.Range{{From: addr, To: other}}}}}
	hop := Hop{netip.MustParseAddr("192.0.2.2"), 3}
	given := Chances{Hops: map[netip.Addr]Hop{addr: hop, other: hop}, Nodes: []MAC{{2}, {4}}}

	none := Build(snap, Options{})
	table := Update(none, snap, Options{Chances: given})
	if want := (Chances{map[netip.Addr]Hop{addr: hop}, given.Nodes}); !table.Chances().Equal(want) {
		t.Errorf("second chances %+v, want %+v", table.Chances(), want)
	}
	d := Diff(none, table)
	if len(d.Hops) != 1 || d.Hops[0] != (HopChange{addr, Hop{}, hop}) || len(d.NewNodes) != 2 || len(d.Frontends) != 0 {
		t.Errorf("difference %+v, want one hop, two nodes and nothing else", d)
	}
	again := Update(table, snap, Options{Chances: Chances{Hops: given.Hops, Nodes: given.Nodes[:1]}})
	if d := Diff(table, again); len(d.Hops) != 0 || len(d.NewNodes) != 0 || len(d.OldNodes) != 1 || d.OldNodes[0] != (MAC{4}) {
		t.Errorf("difference %+v, want one node less", d)
	}
	gone := Update(again, &config.Snapshot{Revision: 2, Changed: config.Changes{Services: []config.Key{svc.Key}}, Pools: snap.Pools}, Options{Chances: given})
	if c := gone.Chances(); len(c.Hops) != 0 || len(c.Nodes) != 0 {
		t.Errorf("second chances %+v of a Service that is gone", c)
	}
}
