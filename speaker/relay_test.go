package speaker

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
)

// fakeRelay says what the story says.
type fakeRelay struct {
	*rig
	box *feed.Latest[relay.Report]
}

func (f fakeRelay) Updates() <-chan relay.Report { return f.box.C() }

func (f fakeRelay) Apply(c relay.Config) {
	var out []string
	for _, front := range c.Frontends {
		out = append(out, fmt.Sprintf("%v/v%d", front.Addr, front.ProxyProtocol))
	}
	f.note("relay", strings.Join(out, " "))
}

// serves is the report of a relay that serves ports of addr4.
func (f fakeRelay) serves(ports ...uint16) {
	r := relay.Report{Port: 17490, Serves: map[netip.AddrPort]bool{}}
	for _, p := range ports {
		r.Serves[netip.AddrPortFrom(addr4, p)] = true
	}
	f.box.Put(r)
}

// relaying is a story in which web has the PROXY protocol.
func relayingStory(t *testing.T, fn func(r *rig, f fakeRelay)) {
	t.Helper()
	story(t, 1, func(r *rig) {
		f := fakeRelay{r, feed.NewLatest[relay.Report](nil)}
		r.Agent.Relay = f
		r.serve(web, addr4, "n1").ProxyProtocol = &config.ProxyProtocol{Version: 2}
		r.record(addr4, "n1", 1)
		fn(r, f)
		r.stop()
	})
}

// leadsTo is where the table in the kernel leads a port of addr4.
func (r *rig) leadsTo(port uint16) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	target := r.wrote.Target(l4proxy.Frontend{Addr: netip.AddrPortFrom(addr4, port), Proto: config.TCP})
	if target.Action != l4proxy.Forward {
		return "nowhere"
	}
	return target.Group.Backends[0].Addr.String()
}

// TestRelayBeforeTable: the relay is told first, then the kernel leads to it, and
// then the address is answered for. It is as new ports come, and the other way
// round as they go.
func TestRelayBeforeTable(t *testing.T) {
	relayingStory(t, func(r *rig, f fakeRelay) {
		r.run()
		if r.shows("table") != "" || r.shows("relay") != "192.0.2.10:80/v2" {
			t.Errorf("table %q, relay %q before it said anything", r.shows("table"), r.shows("relay"))
		}
		f.serves()
		r.pass(100 * time.Millisecond)
		if r.shows("table") != "" {
			t.Errorf("table %q before the relay serves it", r.shows("table"))
		}
		f.serves(80)
		r.pass(0)
		if r.leadsTo(80) != "192.0.2.1:17490" || r.shows("answer") != addr4.String() {
			t.Errorf("leads to %s, answers for %q", r.leadsTo(80), r.shows("answer"))
		}
		svc := *r.services[web]
		svc.Ports = append(svc.Ports, config.ServicePort{Name: "more", Proto: config.TCP, Port: 81})
		eps := *r.endpoints[web]
		eps.Ports = append(eps.Ports, config.EndpointPort{Name: "more", Proto: config.TCP, Backends: eps.Ports[0].Backends})
		r.services[web], r.endpoints[web] = &svc, &eps
		r.publishAll()
		r.pass(0)
		if r.leadsTo(81) != "nowhere" || r.shows("relay") != "192.0.2.10:80/v2 192.0.2.10:81/v2" || r.shows("answer") != addr4.String() {
			t.Errorf("81 leads to %s, relay %q, answers for %q", r.leadsTo(81), r.shows("relay"), r.shows("answer"))
		}
		f.serves(80, 81)
		r.pass(0)
		if r.leadsTo(81) != "192.0.2.1:17490" {
			t.Errorf("81 leads to %s", r.leadsTo(81))
		}
		// Off again: the kernel first. The relay would be told to drop it before.
		plain := svc
		plain.ProxyProtocol = nil
		r.services[web] = &plain
		r.set(func() { r.tableErr = errDenied })
		r.publishAll()
		r.pass(0)
		if r.shows("relay") != "192.0.2.10:80/v2 192.0.2.10:81/v2" {
			t.Errorf("relay %q while the kernel still leads to it", r.shows("relay"))
		}
		r.set(func() { r.tableErr = nil })
		r.pass(2 * time.Second)
		if r.leadsTo(80) != "10.0.0.1:80" || r.shows("relay") != "" || r.shows("answer") != addr4.String() {
			t.Errorf("leads to %s, relay %q, answers for %q", r.leadsTo(80), r.shows("relay"), r.shows("answer"))
		}
	})
}

// TestRelayAway: an address that needs the relay is not answered for without it,
// others are; it is waited for no longer than a second.
func TestRelayAway(t *testing.T) {
	relayingStory(t, func(r *rig, f fakeRelay) {
		other := netip.MustParseAddr("192.0.2.11")
		r.serve(config.Key{Namespace: "default", Name: "plain"}, other, "n1")
		r.record(other, "n1", 1)
		r.run()
		r.pass(2500 * time.Millisecond)
		if r.leadsTo(80) != "nowhere" || r.shows("answer") != other.String() {
			t.Errorf("without a relay: leads to %s, answers for %q", r.leadsTo(80), r.shows("answer"))
		}
		f.serves(80)
		r.pass(0)
		if r.leadsTo(80) != "192.0.2.1:17490" || r.shows("answer") != "192.0.2.10 192.0.2.11" {
			t.Errorf("it came: leads to %s, answers for %q", r.leadsTo(80), r.shows("answer"))
		}
		f.box.Put(relay.Report{Problem: "reach the relay: no such file"})
		r.pass(0)
		if r.shows("answer") != other.String() || r.leadsTo(80) != "192.0.2.1:17490" || r.logged("relay not reached") != 1 {
			t.Errorf("it went: leads to %s, answers for %q", r.leadsTo(80), r.shows("answer"))
		}
		f.serves(80)
		r.pass(0)
		if r.shows("answer") != "192.0.2.10 192.0.2.11" {
			t.Errorf("it is back: answers for %q", r.shows("answer"))
		}
	})
}

// TestRelayOfAnotherFamily: an address that the kernel refuses, as this node has
// none of its family to lead to, is not answered for, whatever the relay serves.
func TestRelayOfAnotherFamily(t *testing.T) {
	relayingStory(t, func(r *rig, f fakeRelay) {
		r.nodes["n1"].Addrs = []netip.Addr{netip.MustParseAddr("2001:db8::1")}
		r.run()
		f.serves(80)
		r.pass(0)
		if r.leadsTo(80) != "nowhere" || r.shows("answer") != "" {
			t.Errorf("leads to %s, answers for %q", r.leadsTo(80), r.shows("answer"))
		}
	})
}
