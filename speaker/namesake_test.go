package speaker

import (
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// A second speaker with the name of a node that owns an address does nothing at
// all and says why, once; it takes part when its Node turns out to be its own.
func TestNamesake(t *testing.T) {
	story(t, 3, func(r *rig) {
		r.GossipAddr = netip.MustParseAddr("192.0.2.77")
		r.serve(web, addr4, "n1", "n2")
		r.record(addr4, "n1", 1)
		r.run()
		r.publish(config.Changes{Services: []config.Key{web}})
		r.pass(0)
		r.did("health decision another machine has this node name")
		if r.joined != nil || r.beating != nil || r.swaps > 0 || len(r.reports) > 0 {
			t.Errorf("joined %v, beats with %v, wrote %d records and %d reports", r.joined, r.beating, r.swaps, len(r.reports))
		}
		if n := r.logged("another machine has this node name"); n != 1 {
			t.Errorf("said so %d times:\n%s", n, r.logs)
		}
		r.nodes["n1"].Addrs = append(r.nodes["n1"].Addrs, r.GossipAddr)
		r.publishAll()
		r.pass(0)
		r.did("table 192.0.2.10", "health forwarder ready", "answer 192.0.2.10", "health decision ready", "health sessions ready")
		if len(r.joined) != 2 || len(r.beating) != 2 {
			t.Errorf("joined %v, beats with %v", r.joined, r.beating)
		}
		r.stop()
	})
}

// What is no evidence: the name of the only node, a Node without addresses, or
// with those of the other family alone.
func TestNoNamesake(t *testing.T) {
	for _, tt := range []struct {
		nodes int
		addrs []netip.Addr
	}{
		{1, []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
		{2, nil},
		{2, []netip.Addr{netip.MustParseAddr("2001:db8::1")}},
		{2, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.77")}},
	} {
		story(t, tt.nodes, func(r *rig) {
			r.GossipAddr = netip.MustParseAddr("192.0.2.77")
			r.nodes["n1"].Addrs = tt.addrs
			r.run()
			if r.logged("another machine") > 0 {
				t.Errorf("%d nodes, n1 at %v: %s", tt.nodes, tt.addrs, r.logs)
			}
			r.stop()
		})
	}
}
