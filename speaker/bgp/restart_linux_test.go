package bgp

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// usual is the state from which restarts are tried: three routes installed.
func usual(l *lab) (*process, announce.Session) {
	l.t.Helper()
	want := sessionTo(peer(), route(vip4), route(vip4b), route(vip6))
	sp := l.startSpeaker()
	sp.tell("apply", want)
	waitRoutes(l)
	return sp, want
}

func waitRoutes(l *lab) {
	l.t.Helper()
	testlab.Eventually(l.t, 15*time.Second, "routes in the kernel", func() bool {
		return l.hasRoute(vip4, node4) && l.hasRoute(vip4b, node4) && l.hasRoute(vip6, node6)
	})
	time.Sleep(1500 * time.Millisecond) // End-of-RIB in both directions
}

func TestKilledSpeakerChangesNoRoute(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		r := l.startRouter(kind, routerConf{})
		sp, want := usual(l)
		changes := l.monitor()
		sp.kill()
		time.Sleep(2 * time.Second)
		next := l.startSpeaker()
		next.tell("apply", want)
		next.waitUp()
		testlab.Eventually(t, 5*time.Second, "word that the router is sent all", func() bool { return next.state().Complete })
		if kind == "frr" {
			testlab.Eventually(t, time.Second, "End-of-RIB at the router", func() bool {
				return strings.Contains(r.Do("show bgp neighbors "+node4), "End-of-RIB received: IPv4 Unicast, IPv6 Unicast")
			})
		}
		time.Sleep(3 * time.Second)
		if seen := changes(); len(seen) != 0 {
			t.Errorf("route changes at %s: %v", kind, seen)
		}
		if !l.hasRoute(vip4, node4) || !l.hasRoute(vip6, node6) {
			t.Error("routes are gone")
		}
		// Proof that the monitor sees: a real change.
		next.tell("apply", sessionTo(peer(), route(vip4)))
		testlab.Eventually(t, 5*time.Second, "a change seen by the monitor", func() bool { return len(changes()) > 0 })
	})
}

func TestAbandonedSpeakerChangesNoRoute(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp, want := usual(l)
		changes := l.monitor()
		sp.tell("abandon")
		if err := sp.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		next := l.startSpeaker()
		next.tell("apply", want)
		next.waitUp()
		time.Sleep(3 * time.Second)
		if seen := changes(); len(seen) != 0 {
			t.Errorf("route changes at %s: %v", kind, seen)
		}
	})
}

func TestStoppedSpeakerTakesItsRoutesAlong(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp, _ := usual(l)
		begin := time.Now()
		sp.tell("stop")
		testlab.Eventually(t, 10*time.Second, "routes gone in spite of graceful restart", func() bool {
			return len(l.gateways(vip4)) == 0 && len(l.gateways(vip6)) == 0
		})
		t.Logf("stopped in %v", time.Since(begin).Round(time.Millisecond))
		if err := sp.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestResetConnectionComesBackSoonAndSilently(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp, _ := usual(l)
		changes := l.monitor()
		l.reset()
		begin := time.Now()
		testlab.Eventually(t, 2*time.Second, "the fall", func() bool { return !sp.state().Up() })
		if st := sp.state(); st.LastDrop.Kind != KindLost || st.Flaps != 1 {
			t.Errorf("state after the reset %+v", st)
		}
		sp.waitUp()
		took := time.Since(begin)
		t.Logf("%s: back after %v", kind, took.Round(time.Millisecond))
		if took > 5*time.Second { // GoBGP alone takes 6 to 7
			t.Errorf("back after %v, want about 2 s", took)
		}
		time.Sleep(2 * time.Second)
		if seen := changes(); len(seen) != 0 {
			t.Errorf("route changes at %s: %v", kind, seen)
		}
	})
}

// reset aborts the router's BGP connections; the node gets a TCP RST.
func (l *lab) reset() {
	l.t.Helper()
	testlab.In(l.t, l.router, func() error {
		socks, err := netlink.SocketDiagTCP(unix.AF_INET)
		if err != nil {
			return err
		}
		for _, s := range socks {
			if s.ID.SourcePort != 179 || s.ID.DestinationPort == 0 {
				continue
			}
			err := netlink.SocketDestroy(&net.TCPAddr{IP: s.ID.Source, Port: int(s.ID.SourcePort)},
				&net.TCPAddr{IP: s.ID.Destination, Port: int(s.ID.DestinationPort)})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func TestTimersChangeUnderALivingSession(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.startRouter("frr", routerConf{})
	sp, want := usual(l)
	changes := l.monitor()
	want.Peer = peer(func(p *config.Peer) {
		p.HoldTime, p.ConnectTime, p.MultiHop = 9*time.Second, 5*time.Second, true
	})
	since := sp.state().Since
	sp.tell("apply", want)
	time.Sleep(2 * time.Second)
	if st := sp.state(); !st.Up() || st.Flaps != 0 || !st.Since.Equal(since) || st.Problem != "" {
		t.Errorf("state %+v", st)
	}
	if seen := changes(); len(seen) != 0 {
		t.Errorf("route changes: %v", seen)
	}
}

func TestChangedConnectionKeepsRoutesByGracefulRestart(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		l.startRouter(kind, routerConf{})
		sp, want := usual(l)
		changes := l.monitor()
		want.Peer = peer(func(p *config.Peer) { p.Source = want.RouterID })
		sp.tell("apply", want)
		testlab.Eventually(t, 2*time.Second, "the old connection's end", func() bool { return !sp.state().Up() })
		if st := sp.state(); st.LastDrop.Kind != KindLocal || st.Flaps != 1 {
			t.Errorf("state %+v", st)
		}
		sp.waitUp()
		time.Sleep(2 * time.Second)
		if seen := changes(); len(seen) != 0 {
			t.Errorf("route changes at %s: %v", kind, seen)
		}
	})
}

// A new password at this side, and the next one at the router, are a restart in
// the router's eyes: FRR keeps the routes all the way. BIRD restarts a protocol
// whose password changes and drops them at that moment itself.
func TestPasswordChangesByGracefulRestart(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		conf := routerConf{password: "first"}
		r := l.startRouter(kind, conf)
		with := func(password string) announce.Session {
			return sessionTo(peer(func(p *config.Peer) { p.Password = password }), route(vip4), route(vip4b), route(vip6))
		}
		sp := l.startSpeaker()
		sp.tell("apply", with("first"))
		waitRoutes(l)
		changes := l.monitor()
		sp.tell("apply", with("second"))
		testlab.Eventually(t, 5*time.Second, "the old connection's end", func() bool { return !sp.state().Up() })
		testlab.Eventually(t, 10*time.Second, "the reason", func() bool { return sp.state().Failing.Kind == KindTimeout })
		if seen := changes(); len(seen) != 0 {
			t.Errorf("route changes by our half at %s: %v", kind, seen)
		}
		conf.password = "second"
		r.configure(conf)
		sp.waitUp()
		waitRoutes(l)
		seen := changes()
		if t.Logf("%s: %d route changes by the router's half", kind, len(seen)); kind == "frr" && len(seen) != 0 {
			t.Errorf("route changes: %v", seen)
		}
	})
}

func TestShutdownTextAndHoldTimerAreNamed(t *testing.T) {
	shut := map[string]string{
		"frr":  "configure terminal\nrouter bgp 64501\nneighbor 10.9.0.11 shutdown message rack move",
		"bird": `disable n4 "rack move"`,
	}
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		r := l.startRouter(kind, routerConf{hold: 6})
		sp, _ := usual(l)
		if got := sp.state().HoldTime; got != 6*time.Second {
			t.Errorf("hold time %v", got)
		}
		testlab.In(t, l.router, func() error { return link("eth0", netlink.LinkSetDown) })
		testlab.Eventually(t, 10*time.Second, "hold timer named", func() bool { return sp.state().LastDrop.Kind == KindHoldTimer })
		testlab.In(t, l.router, func() error { return errorsOf(link("eth0", netlink.LinkSetUp), address(router6)) })
		testlab.Eventually(t, 30*time.Second, "session back", func() bool { return sp.state().Up() })
		time.Sleep(1500 * time.Millisecond) // both tables sent: data still on its way would hide the NOTIFICATION
		r.Do(shut[kind])
		testlab.Eventually(t, 5*time.Second, "shutdown named", func() bool {
			d := sp.state().LastDrop
			return d.Kind == KindShutdown && strings.Contains(d.Text, "administrative shutdown") && strings.Contains(d.Text, "rack move")
		})
		if why := sp.state().Why(); !strings.Contains(why, "rack move") {
			t.Errorf("the state says %q", why)
		}
	})
}

func link(name string, f func(netlink.Link) error) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return f(l)
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
