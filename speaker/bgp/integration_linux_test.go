package bgp

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

const (
	vip4, vip4b = "192.0.2.10/32", "192.0.2.11/32"
	vip6        = "2001:db8:53::10/128"
)

// peer is the usual peer of the tests: the lab's router by IPv4.
func peer(changes ...func(*config.Peer)) *config.Peer {
	p := &config.Peer{Name: "tor", MyASN: 64512, PeerASN: 64501, Addr: netip.MustParseAddr(router4), GracefulRestart: true}
	for _, change := range changes {
		change(p)
	}
	return p
}

func sessionTo(p *config.Peer, routes ...announce.Route) announce.Session {
	return announce.Session{Peer: p, RouterID: netip.MustParseAddr(node4), Routes: routes}
}

func route(prefix string) announce.Route {
	return announce.Route{Prefix: netip.MustParsePrefix(prefix)}
}

// forKinds runs a test against each router, in a lab of its own.
func forKinds(t *testing.T, f func(t *testing.T, l *lab, kind string)) {
	t.Parallel() // they mostly wait
	for _, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, newLab(t), kind)
		})
	}
}

func TestRoutesReachTheRoutersKernel(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		r := l.startRouter(kind, routerConf{})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(), route(vip4), route(vip4b), route(vip6)))
		testlab.Eventually(t, 15*time.Second, "all routes in the kernel", func() bool {
			return l.hasRoute(vip4, node4) && l.hasRoute(vip4b, node4) && l.hasRoute(vip6, node6)
		})
		st := sp.state()
		if !st.Up() || st.ASN != 64501 || st.Prefixes != 3 || !slices.Equal(st.Families, []string{"ipv4", "ipv6"}) || st.Flaps != 0 {
			t.Errorf("state %+v", st)
		}
		editsReach(l, r, sp)
		sp.tell("apply")
		testlab.Eventually(t, testDrain+5*time.Second, "withdrawal with the removed peer", func() bool {
			return len(l.gateways(vip4)) == 0 && len(l.gateways(vip6)) == 0
		})
		// the router acts on the first word of the farewell, the session ends with the last
		testlab.Eventually(t, 5*time.Second, "no state of the removed peer", func() bool { return len(sp.tell("states")) == 0 })
	})
}

// editsReach changes one of the three routes, removes one and keeps one.
func editsReach(l *lab, r *router, sp *process) {
	t := l.t
	t.Helper()
	changes := l.monitor()
	sp.tell("apply", sessionTo(peer(), route(vip4), route(vip4b), route(vip6)))
	tagged := route(vip4)
	tagged.Communities = []uint32{64512<<16 | 7}
	tagged.Large = []config.LargeCommunity{{Global: 64512, Local1: 1, Local2: 2}}
	tagged.MED = 33
	sp.tell("apply", sessionTo(peer(), tagged, route(vip6)))
	testlab.Eventually(t, 5*time.Second, "withdrawal of the removed route", func() bool { return len(l.gateways(vip4b)) == 0 })
	testlab.Eventually(t, 5*time.Second, "attributes of the changed route", func() bool {
		text := strings.NewReplacer("(", "", ")", "", ", ", ":", ",", ":").Replace(r.route(vip4))
		return strings.Contains(text, "64512:7") && strings.Contains(text, "64512:1:2") && strings.Contains(text, "33")
	})
	if !l.hasRoute(vip4, node4) || !l.hasRoute(vip6, node6) {
		t.Error("a route that stays went away")
	}
	for _, c := range changes() {
		if strings.Contains(c, "2001:db8:53::10") {
			t.Errorf("route change of an unchanged route: %s", c)
		}
	}
	if st := sp.state(); st.Flaps != 0 || st.Prefixes != 2 {
		t.Errorf("state after edits %+v", st)
	}
}

func TestSessionOverIPv6(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp := l.startSpeaker()
		over6 := peer(func(p *config.Peer) { p.Addr = netip.MustParseAddr(router6) })
		sp.tell("apply", sessionTo(over6, route(vip4), route(vip6)))
		testlab.Eventually(t, 15*time.Second, "IPv6 and IPv4 (RFC 8950) routes in the kernel", func() bool {
			return l.hasRoute(vip4, node6) && l.hasRoute(vip6, node6)
		})
	})
}

func TestInternalPeerGetsLocalPref(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		r := l.startRouter(kind, routerConf{asn: 64512})
		sp := l.startSpeaker()
		preferred4, preferred6 := route(vip4), route(vip6)
		preferred4.LocalPref, preferred6.LocalPref = 4321, 6321
		internal := peer(func(p *config.Peer) { p.PeerASN = 64512 })
		sp.tell("apply", sessionTo(internal, preferred4, preferred6))
		testlab.Eventually(t, 15*time.Second, "routes with local preference", func() bool {
			return l.hasRoute(vip4, node4) && strings.Contains(r.route(vip4), "4321") &&
				l.hasRoute(vip6, node6) && strings.Contains(r.route(vip6), "6321")
		})
	})
}

func TestWrongASIsNamed(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(func(p *config.Peer) { p.PeerASN = 64999 }), route(vip4)))
		// GoBGP loses what it found wrong where the router's OPEN is there before
		// the new state's handler is known to it: the next attempt tells
		testlab.Eventually(t, 30*time.Second, "reason of the mismatch", func() bool {
			return sp.state().Failing == Reason{KindASMismatch, "AS mismatch: expected 64999, got 64501"}
		})
		if len(l.gateways(vip4)) != 0 {
			t.Error("route at a router of the wrong AS")
		}
	})
}

func TestDynamicASLetsNoRouteOutToTheWrongKind(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		changes := l.monitor()
		sp := l.startSpeaker()
		dynamic := func(kind string) *config.Peer {
			return peer(func(p *config.Peer) { p.PeerASN, p.Dynamic = 0, kind })
		}
		sp.tell("apply", sessionTo(dynamic("internal"), route(vip4)))
		testlab.Eventually(t, 10*time.Second, "reason of the mismatch", func() bool {
			return sp.state().Failing == Reason{KindASMismatch, "AS mismatch: expected an internal peer of AS 64512, got 64501"}
		})
		time.Sleep(time.Second)
		if seen := changes(); len(seen) != 0 {
			t.Errorf("the router learnt %v", seen)
		}
		if st := sp.state(); st.Up() || st.Flaps != 0 {
			t.Errorf("state %+v", st)
		}
		sp.tell("apply", sessionTo(dynamic("external"), route(vip4)))
		testlab.Eventually(t, 20*time.Second, "route to an external peer", func() bool { return l.hasRoute(vip4, node4) })
		if st := sp.state(); st.ASN != 64501 {
			t.Errorf("learnt AS %d", st.ASN)
		}
	})
}

// A router with dynamicASN is expected to be in the AS that the speaker before
// had learnt; if it is in another by now, it is asked anew.
func TestRestartedSpeakerKnowsTheASOfARouter(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		dynamic := peer(func(p *config.Peer) { p.PeerASN, p.Dynamic = 0, "external" })
		start := func(asn uint32) *process {
			known, err := json.Marshal([]config.SessionReport{{Peer: dynamic.Name, Addr: dynamic.Addr, ASN: asn}})
			if err != nil {
				t.Fatal(err)
			}
			sp := l.startSpeaker(recallVar + "=" + string(known))
			sp.tell("apply", sessionTo(dynamic, route(vip4)))
			testlab.Eventually(t, 30*time.Second, "session", func() bool { return sp.state().Up() })
			if st := sp.state(); st.ASN != 64501 || st.Keepalive == 0 || st.Keepalive > st.HoldTime {
				t.Errorf("state %+v", st)
			}
			return sp
		}
		sp := start(64501)
		if strings.Contains(sp.log.String(), "skipped asn negotiation") {
			t.Error("the AS of a known router was asked anew")
		}
		sp.kill()
		sp = start(64999)
		failed, asked, found := strings.Cut(sp.log.String(), "skipped asn negotiation")
		if !found || !strings.Contains(failed, "session does not come up") || strings.Contains(asked, "session does not come up") {
			t.Errorf("want one attempt with the AS that is known, and the next with any:\n%s", sp.log.String())
		}
	})
}

func TestPassword(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{password: "s3cret"})
		sp := l.startSpeaker()
		with := func(password string) *config.Peer {
			return peer(func(p *config.Peer) { p.Password = password })
		}
		sp.tell("apply", sessionTo(with("wrong"), route(vip4)))
		testlab.Eventually(t, 10*time.Second, "reason of the timeout", func() bool {
			return sp.state().Failing == Reason{KindTimeout, "wrong password or firewall (dial timeout)"}
		})
		sp.tell("apply", sessionTo(with("s3cret"), route(vip4)))
		testlab.Eventually(t, 15*time.Second, "route once the password is right", func() bool { return l.hasRoute(vip4, node4) })
		if strings.Contains(sp.log.String(), "s3cret") {
			t.Error("the log tells the password")
		}
	})
}

func TestRefusedConnectionIsNamedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.startRouter("bird", routerConf{})
	sp := l.startSpeaker()
	deaf := peer(func(p *config.Peer) { p.Name, p.Port = "deaf", 1790 })
	lost := peer(func(p *config.Peer) { p.Name, p.Source = "lost", netip.MustParseAddr("10.9.0.77") })
	sp.tell("apply", sessionTo(deaf, route(vip4)), sessionTo(lost, route(vip4)), sessionTo(peer(), route(vip4)))
	testlab.Eventually(t, 15*time.Second, "route by the good session", func() bool { return l.hasRoute(vip4, node4) })
	testlab.Eventually(t, 10*time.Second, "reasons of the others", func() bool {
		st := sp.tell("states")
		return len(st) == 3 && st[0].Failing.Kind == KindRefused && st[1].Failing.Kind == KindUnreachable && st[2].Up()
	})
}
