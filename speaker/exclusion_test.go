package speaker

import (
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

func TestExclusion(t *testing.T) {
	var e exclusion
	now := time.Unix(1000, 0)
	e.note(true, now)
	if e.draining(now) {
		t.Error("a node that had the label before this process has nothing to drain")
	}
	e.note(false, now)
	e.note(true, now)
	last := now.Add(bgp.DefaultDrainTime - 1)
	e.note(true, last)
	if !e.draining(now) || !e.draining(last) || e.draining(last.Add(1)) {
		t.Error("drains from the label on, for the drain time")
	}
	if e.note(false, now); e.draining(now) {
		t.Error("the label is gone")
	}
}

// A node that is labelled goes on forwarding, and offers its routes as the last
// choice before it offers none. One that is taken out of service stops at once.
func TestLabelledNodeDrains(t *testing.T) {
	routed(t, func(r *rig) {
		r.exclude("n1")
		r.did("routes 192.0.2.10/32 last")
		r.pass(bgp.DefaultDrainTime - time.Millisecond)
		r.did()
		r.pass(2 * retryAfter)
		r.did("routes none")
		if r.shows("table") != addr4.String() {
			t.Errorf("forwards %q", r.shows("table"))
		}
		bare := *r.nodes["n1"]
		bare.Labels = nil
		r.nodes["n1"] = &bare
		r.publishAll()
		r.pass(0)
		r.did("routes 192.0.2.10/32")
	})
	routed(t, func(r *rig) {
		out := *r.nodes["n1"]
		out.OutOfService = true
		r.nodes["n1"] = &out
		r.publishAll()
		r.pass(0)
		r.did("routes none")
	})
}

// The label is taken away again before the routes were.
func TestLabelledByMistake(t *testing.T) {
	routed(t, func(r *rig) {
		r.exclude("n1")
		bare := *r.nodes["n1"]
		bare.Labels = nil
		r.nodes["n1"] = &bare
		r.publishAll()
		r.pass(10 * time.Second)
		r.did("routes 192.0.2.10/32 last", "routes 192.0.2.10/32")
	})
}

// routed is a cluster in which n1 offers the route of web's address, which it has
// an endpoint of, to a router.
func routed(t *testing.T, fn func(r *rig)) {
	t.Helper()
	story(t, 2, func(r *rig) {
		r.next.L2 = nil
		r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
		r.next.Peers = []*config.Peer{{Name: "router", Addr: netip.MustParseAddr("192.0.2.254")}}
		r.serve(web, addr4, "n1")
		r.set(func() { r.states = []bgp.SessionState{{Peer: "router", State: "Established", Complete: true}} })
		r.run()
		if r.shows("routes") != "192.0.2.10/32" {
			t.Fatalf("routes %q", r.shows("routes"))
		}
		r.set(func() { r.journal = nil })
		fn(r)
		r.stop()
	})
}
