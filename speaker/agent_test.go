package speaker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// One address, from the API to the wire: forward, claim, answer.
func TestOrder(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
		r.next.Peers = []*config.Peer{{Name: "router", Addr: netip.MustParseAddr("192.0.2.254")}}
		r.serve(web, addr4, "n1")
		r.run()
		r.did("table 192.0.2.10", "health forwarder ready", "routes 192.0.2.10/32", "health decision ready", "health sessions waiting for BGPPeers router",
			"claim 192.0.2.10 epoch 1", "answer 192.0.2.10")
		r.stop()
	})
}

func TestNothingBeforeAllInputs(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.begin()
		r.publishAll()
		r.pass(time.Second)
		r.linkUp()
		r.pass(time.Second)
		r.did()
		r.alive("n1")
		r.pass(time.Second)
		if lines := r.lines(); !slices.Contains(lines, "answer 192.0.2.10") {
			t.Errorf("not answered: %q", lines)
		}
		r.set(func() { r.journal = nil })
		r.meets.Put(nil) // no member, not even this one
		r.pass(time.Second)
		r.did("answer")
		r.stop()
	})
}

func TestForwarderFails(t *testing.T) {
	other, addr := config.Key{Name: "other"}, addr4.Next()
	story(t, 1, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.run()
		r.set(func() { r.journal = nil })

		r.set(func() { r.tableErr = errors.New("no buffer space") })
		r.serve(other, addr, "n1")
		r.publish(config.Changes{Services: []config.Key{other}})
		r.pass(5 * time.Second)
		r.did("health forwarder no buffer space") // web is answered, other is not claimed
		if n := r.logged("no buffer space"); n != 1 {
			t.Errorf("%d lines about one fault", n)
		}

		r.set(func() { r.applies = 0 })
		for range 100 { // each snapshot asks for the table, which costs a look at the whole kernel
			r.publish(config.Changes{Services: []config.Key{other}})
			r.pass(10 * time.Millisecond)
		}
		if r.applies > 2 {
			t.Errorf("%d attempts in a second", r.applies)
		}

		r.set(func() { r.tableErr = nil })
		r.pass(3 * time.Second)
		r.did("table 192.0.2.10 192.0.2.11", "health forwarder ready", "claim 192.0.2.11 epoch 1", "answer 192.0.2.10 192.0.2.11")
		r.stop()
	})
}

// Another program flushes the kernel's rules, and nothing changes in the cluster.
func TestTableDisturbed(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.run()
		r.set(func() { r.journal, r.applies = nil, 0 })
		r.pass(10 * time.Second)
		if r.applies > 0 {
			t.Errorf("written %d times without need", r.applies)
		}
		r.set(func() { r.disturbed = errors.New("flushed") })
		r.pass(1100 * time.Millisecond)
		if r.applies != 1 || r.logged("flushed") != 1 {
			t.Errorf("written %d times, said %d times", r.applies, r.logged("flushed"))
		}
		r.stop()
	})
}

// Routers keep the routes of a node that restarts until they hear what it has
// now. To say "nothing" because the forwarder is late would cut them.
func TestFirstRoutesWaitForForwarder(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.next.L2 = nil
		r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
		r.next.Peers = []*config.Peer{{Name: "router", Addr: netip.MustParseAddr("192.0.2.254")}}
		r.serve(web, addr4, "n1")
		r.set(func() { r.tableErr = errors.New("busy") })
		r.run()
		r.did("health forwarder busy", "health decision ready")
		r.set(func() { r.tableErr = nil })
		r.pass(3 * time.Second)
		r.did("table 192.0.2.10", "health forwarder ready", "routes 192.0.2.10/32", "health sessions waiting for BGPPeers router")
		r.stop()
	})
}

func TestNoEndpointNoAnswer(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.serve(web, addr4)
		r.run()
		r.did("table 192.0.2.10", "health forwarder ready", "health decision ready", "health sessions ready")
		r.stop()
	})
}

func TestForwarderOff(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.Forwarder = nil
		r.serve(web, addr4, "n1")
		r.run()
		r.did("health forwarder ready", "health decision ready", "health sessions ready", "claim 192.0.2.10 epoch 1", "answer 192.0.2.10")
		if got := r.reports[0].Forwarder; got != config.ForwarderOff {
			t.Errorf("reported %q", got)
		}
		r.stop()
	})
}

// A snapshot that was skipped is not missed, and what does not concern the
// table does not touch it.
func TestTableOnlyWhenDue(t *testing.T) {
	other, addr := config.Key{Name: "other"}, addr4.Next()
	story(t, 2, func(r *rig) {
		r.next.L2 = nil // no claims, whose snapshots ask as well
		r.serve(web, addr4, "n1", "n2")
		r.run()
		r.did("table 192.0.2.10", "health forwarder ready", "health decision ready", "health sessions ready")

		r.set(func() { r.applies = 0 })
		r.linkUp()
		r.alive("n1", "n2")
		r.pass(5 * time.Second)
		if r.applies != 0 {
			t.Errorf("table written %d times for nothing", r.applies)
		}
		r.serve(other, addr, "n1")
		r.publish(config.Changes{Services: []config.Key{other}})
		r.publish(config.Changes{Claims: []netip.Addr{addr4}}) // in its place
		r.pass(0)
		if got := r.shows("table"); got != "192.0.2.10 192.0.2.11" {
			t.Errorf("table has %q", got)
		}
		r.set(func() { r.applies = 0 })
		r.alive("n1")
		r.pass(0)
		if r.applies != 1 {
			t.Errorf("table written %d times after a node died, want once", r.applies)
		}
		r.stop()
	})
}

// Members are met at addresses of the family that gossip listens on.
func TestJoinFamily(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::2")
	for _, tt := range []struct{ own, want string }{
		{"192.0.2.1", "[192.0.2.2:7956]"}, {"2001:db8::1", "[[2001:db8::2]:7956]"}, {"", "[[2001:db8::2]:7956 192.0.2.3:7956]"},
	} {
		story(t, 3, func(r *rig) {
			r.GossipAddr, _ = netip.ParseAddr(tt.own) // "" is none
			r.nodes["n2"].Addrs = []netip.Addr{v6, netip.MustParseAddr("192.0.2.2")}
			if tt.own != "" {
				r.nodes["n3"].Addrs = nil // has no address yet
			}
			r.run()
			if got := fmt.Sprint(r.joined); got != tt.want && tt.own != "" {
				t.Errorf("gossip at %q joins %s, want %s", tt.own, got, tt.want)
			}
			if tt.own == "" && len(r.joined) != 2 {
				t.Errorf("without an address of its own joins %v", r.joined)
			}
			r.stop()
		})
	}
}

func TestInputsAreMerged(t *testing.T) {
	story(t, 1, func(r *rig) {
		one, two := config.Key{Name: "one"}, config.Key{Name: "two"}
		a := r.Agent
		a.take(&config.Snapshot{Changed: config.Changes{Services: []config.Key{one}}})
		a.take(&config.Snapshot{Changed: config.Changes{Services: []config.Key{two}, Config: true}})
		a.meet([]announce.Member{{Node: "n1"}})
		if !slices.Equal(a.changed.Services, []config.Key{one, two}) || !a.changed.Config {
			t.Errorf("changed %+v", a.changed)
		}
	})
}
