package bgp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// takeAll is a peer all of whose routes are used.
func takeAll(p *config.Peer) {
	p.ToReceive = []config.Received{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Longest: 32}, {Prefix: netip.MustParsePrefix("::/0"), Longest: 128},
	}
}

// The routes that a router with routerConf{routes: 2} sends to a node.
const sent4, sent6 = "10.200.0.0/24 10.200.1.0/24", "2001:db8:200::/64 2001:db8:200:1::/64"

// learntBy is what a session has learnt: the prefixes, and how each is got at.
func learntBy(list []announce.Learnt) (prefixes string, hops []string) {
	var all []string
	for _, l := range list {
		all = append(all, l.Prefix.String())
		if hop := fmt.Sprintf("%v %d", l.NextHop, l.Length); !slices.Contains(hops, hop) {
			hops = append(hops, hop)
		}
	}
	return strings.Join(all, " "), hops
}

// knows tells whether the only session has learnt these prefixes and no others.
func (p *process) knows(prefixes string) bool {
	p.t.Helper()
	got, _ := learntBy(p.state().Learnt)
	return got == prefixes
}

// What the router sends is learnt of both families, and what it takes back is
// forgotten; without toReceive nothing is.
func TestLearntRoutes(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		r := l.startRouter(kind, routerConf{routes: 2})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(over, takeAll), route(vip4)))
		testlab.Eventually(t, 20*time.Second, "the router's routes", func() bool { return sp.knows(sent4 + " " + sent6) })
		for _, l := range sp.state().Learnt {
			// an IPv4 route over an IPv6 session may lead to either address
			own := l.NextHop.String() == router6 || l.Prefix.Addr().Is4() && l.NextHop.String() == router4
			if !own || l.Length != 1 {
				t.Errorf("%+v, want it by the router over one AS", l)
			}
		}
		r.sendsLess()
		testlab.Eventually(t, 10*time.Second, "the rest of them", func() bool { return sp.knows("10.200.0.0/24 2001:db8:200::/64") })
		sp.tell("apply", sessionTo(peer(over), route(vip4)))
		testlab.Eventually(t, 15*time.Second, "a session that learns nothing", func() bool {
			st := sp.state()
			return st.Up() && len(st.Learnt) == 0 && st.Received >= 2
		})
	})
}

// sendsLess makes a router that sends two routes of each family send one.
func (r *router) sendsLess() {
	r.T.Helper()
	if r.Kind == "bird" {
		r.Write(routerConf{routes: 1}.withDefaults().bird())
		r.Do("configure")
		return
	}
	r.Do("configure terminal\nrouter bgp 64501\naddress-family ipv4 unicast\nno network 10.200.1.0/24\nexit-address-family\naddress-family ipv6 unicast\nno network 2001:db8:200:1::/64")
}

// What was learnt stays while a router with graceful restart is away, but no longer
// than it said; what is back at the router is in use all the while.
func TestLearntRoutesOutlastARestart(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		both := sent4 + " " + sent6
		r := l.startRouter(kind, routerConf{routes: 2, restart: 5})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(takeAll), route(vip4)))
		testlab.Eventually(t, 20*time.Second, "the router's routes", func() bool { return sp.knows(both) })
		r.Kill()
		testlab.Eventually(t, 5*time.Second, "the fall", func() bool { return !sp.state().Up() })
		if !sp.knows(both) {
			t.Error("forgotten with the session")
		}
		testlab.Eventually(t, 20*time.Second, "the end of the restart time", func() bool { return sp.knows("") })
		l.startRouter(kind, routerConf{routes: 2, restart: 5})
		testlab.Eventually(t, 30*time.Second, "the routes of the router that is back", func() bool { return sp.knows(both) })
	})
}

// A router that goes on forwarding keeps its routes here over a lost connection.
func TestLearntRoutesOutlastAReset(t *testing.T) {
	t.Parallel()
	l, both := newLab(t), sent4+" "+sent6
	l.startRouter("frr", routerConf{routes: 2, restart: 60, forwards: true})
	sp := l.startSpeaker()
	sp.tell("apply", sessionTo(peer(takeAll), route(vip4)))
	testlab.Eventually(t, 20*time.Second, "the router's routes", func() bool { return sp.knows(both) && sp.state().Heard })
	l.reset()
	testlab.Eventually(t, 20*time.Second, "the session after a fall", func() bool {
		st := sp.state()
		if got, _ := learntBy(st.Learnt); got != both {
			t.Fatalf("learnt in state %s: %q", st.State, got)
		}
		return st.Flaps == 1 && st.Up() && st.Heard
	})
}

// A router that is found dead, one that says goodbye, and one without graceful
// restart lose what was learnt of them at once.
func TestLearntRoutesGoWithTheirRouter(t *testing.T) {
	plain := func(p *config.Peer) { p.GracefulRestart = false }
	for name, fall := range map[string]func(sp *process, r *router){
		"dead": func(sp *process, _ *router) { sp.tell("drop") },
		"goodbye": func(_ *process, r *router) {
			if r.Kind == "bird" {
				r.Do("disable n4")
				return
			}
			r.Do("configure terminal\nrouter bgp 64501\nneighbor " + node4 + " shutdown")
		},
		"not graceful": func(_ *process, r *router) { r.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			forKinds(t, func(t *testing.T, l *lab, kind string) {
				r := l.startRouter(kind, routerConf{routes: 2})
				sp := l.startSpeaker()
				changes := []func(*config.Peer){takeAll}
				if name == "not graceful" {
					changes = append(changes, plain)
				}
				sp.tell("apply", sessionTo(peer(changes...), route(vip4)))
				testlab.Eventually(t, 20*time.Second, "the router's routes", func() bool { return sp.knows(sent4 + " " + sent6) })
				fall(sp, r)
				var st SessionState
				testlab.Eventually(t, 5*time.Second, "the fall", func() bool {
					st = sp.state()
					return st.Flaps == 1
				})
				if !st.Up() && st.Learnt != nil {
					t.Errorf("learnt after the fall: %v", st.Learnt)
				}
			})
		})
	}
}

// What a router without a known address sends leads to its link-local address, IPv4
// too (RFC 8950).
func TestLearntByInterface(t *testing.T) {
	t.Parallel()
	for _, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newBareLab(t)
			sp := l.startSpeaker()
			l.startRouter(kind, routerConf{unnumbered: true, routes: 2})
			sp.tell("apply", sessionTo(peer(unnumbered, takeAll), route(vip4)))
			testlab.Eventually(t, 40*time.Second, "the router's routes", func() bool { return sp.knows(sent4 + " " + sent6) })
			st := sp.state()
			for _, learnt := range st.Learnt {
				if learnt.NextHop != st.Addr || learnt.Length != 1 {
					t.Errorf("%+v, want it by %v over one AS", learnt, st.Addr)
				}
			}
			testlab.In(t, l.node, func() error { return link("eth0", netlink.LinkDel) })
			testlab.Eventually(t, 20*time.Second, "no routes without the link", func() bool { return sp.knows("") })
		})
	}
}
