package bgp

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// overBoth runs a test against each router, over IPv4 and over IPv6; via is the
// node's next hop for the family.
func overBoth(t *testing.T, f func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string)) {
	t.Parallel()
	for router, via := range map[string]string{router4: node4, router6: node6} {
		for _, kind := range testlab.Kinds {
			t.Run(kind+" at "+router, func(t *testing.T) {
				t.Parallel()
				f(t, newLab(t), kind, func(p *config.Peer) { p.Addr = netip.MustParseAddr(router) }, via)
			})
		}
	}
}

func TestTTLSecurity(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		secure := func(p *config.Peer) { p.Hops = 1 }
		sp := l.startSpeaker()
		lax := l.startRouter(kind, routerConf{})
		sp.tell("apply", sessionTo(peer(over, secure), route(vip4)))
		testlab.Eventually(t, 15*time.Second, "the reason why a router that sends with a low TTL has no session", func() bool {
			return strings.Contains(sp.state().Failing.Text, "GTSM")
		})
		if st := sp.state(); st.Up() || len(l.gateways(vip4)) != 0 {
			t.Errorf("a session: %+v", st)
		}
		lax.Kill()
		l.startRouter(kind, routerConf{gtsm: true})
		sp.tell("apply")
		sp.tell("apply", sessionTo(peer(over, secure), route(vip4), route(vip6)))
		testlab.Eventually(t, 20*time.Second, "routes at a router with TTL security", func() bool {
			return l.hasRoute(vip4, via) && l.hasRoute(vip6, node6)
		})
	})
}

func TestLocalASN(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		r := l.startRouter(kind, routerConf{nodeASN: 64999})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(over, func(p *config.Peer) { p.LocalASN = 64999 }), route(vip4), route(vip6)))
		testlab.Eventually(t, 15*time.Second, "routes from the local AS", func() bool {
			return l.hasRoute(vip4, via) && l.hasRoute(vip6, node6)
		})
		for _, prefix := range []string{vip4, vip6} {
			if text := r.route(prefix); !strings.Contains(text, "64999") || strings.Contains(text, "64512") {
				t.Errorf("AS path of %s:\n%s", prefix, text)
			}
		}
	})
}

func TestPeerPort(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		l.startRouter(kind, routerConf{port: 1790})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(over), route(vip4)))
		testlab.Eventually(t, 15*time.Second, "the reason at the usual port", func() bool {
			return strings.Contains(sp.state().Failing.Text, "refused")
		})
		sp.tell("apply", sessionTo(peer(over, func(p *config.Peer) { p.Port = 1790 }), route(vip4), route(vip6)))
		testlab.Eventually(t, 15*time.Second, "routes at the other port", func() bool {
			return l.hasRoute(vip4, via) && l.hasRoute(vip6, node6)
		})
	})
}

// Nothing that a router sends is used, and one that sends too much loses its
// session while others keep theirs.
func TestMaxPrefixes(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		mine, other, at, otherVia := vip4, vip6, router6, node6
		if via == node6 {
			mine, other, at, otherVia = vip6, vip4, router4, node4
		}
		l.startRouter(kind, routerConf{routes: 5})
		sp := l.startSpeaker()
		few := peer(over, func(p *config.Peer) { p.Name, p.MaxPrefixes = "few", 4 })
		many := sessionTo(peer(func(p *config.Peer) { p.Addr, p.MaxPrefixes = netip.MustParseAddr(at), 6 }), route(other)) // FRR sends the other session's route too
		sp.tell("apply", sessionTo(few, route(mine)), many)
		testlab.Eventually(t, 20*time.Second, "the fall with its reason", func() bool {
			st := sp.tell("states")
			return len(st) == 2 && st[0].LastDrop.Kind == KindTooMany && strings.Contains(st[0].Why(), "maxPrefixes")
		})
		testlab.Eventually(t, 15*time.Second, "the other session's route alone", func() bool {
			return l.hasRoute(other, otherVia) && len(l.gateways(mine)) == 0
		})
		time.Sleep(4 * time.Second) // it would be back in two
		if st := sp.tell("states"); st[0].Up() || st[0].Flaps != 1 || !st[1].Up() || st[1].Flaps != 0 {
			t.Errorf("states %+v", st)
		}
		few.MaxPrefixes = 100
		sp.tell("apply", sessionTo(few, route(mine)), many)
		testlab.Eventually(t, 15*time.Second, "a session when the limit is raised", func() bool { return l.hasRoute(mine, via) })
		if text := l.nodeRoutes(); strings.Contains(text, "10.200.") || strings.Contains(text, "2001:db8:200:") {
			t.Errorf("received routes are in the kernel:\n%s", text)
		}
	})
}

func TestOneFamily(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		l.startRouter(kind, routerConf{})
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(over, func(p *config.Peer) { p.OneFamily = true }), route(vip4), route(vip6)))
		mine, other, family := vip4, vip6, "ipv4"
		if via == node6 {
			mine, other, family = vip6, vip4, "ipv6"
		}
		testlab.Eventually(t, 15*time.Second, "the session's own family", func() bool { return l.hasRoute(mine, via) })
		time.Sleep(time.Second)
		if st := sp.state(); len(l.gateways(other)) != 0 || !slices.Equal(st.Families, []string{family}) || st.Prefixes != 1 {
			t.Errorf("the other family too: %v, state %+v", l.gateways(other), st)
		}
	})
}

// The router keeps the routes of a node that does not come back within the
// restart time, as a last choice; without, it drops them.
func TestLongLivedGracefulRestart(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		r := l.startRouter(kind, routerConf{})
		want := sessionTo(peer(over, func(p *config.Peer) { p.LongLived = time.Hour }), route(vip4), route(vip6))
		sp := l.startSpeaker(restartVar + "=3s")
		sp.tell("apply", want)
		testlab.Eventually(t, 15*time.Second, "routes", func() bool { return l.hasRoute(vip4, via) && l.hasRoute(vip6, node6) })
		time.Sleep(1500 * time.Millisecond) // End-of-RIB in both directions
		sp.kill()
		testlab.Eventually(t, 15*time.Second, "the routes as stale ones", func() bool {
			return stale(r.route(vip4)) && stale(r.route(vip6)) && l.hasRoute(vip4, via) && l.hasRoute(vip6, node6)
		})
		next := l.startSpeaker(restartVar + "=3s")
		next.tell("apply", want)
		next.waitUp()
		testlab.Eventually(t, 5*time.Second, "fresh routes", func() bool { return !stale(r.route(vip4)) && !stale(r.route(vip6)) })
		want.Peer = peer(over)
		next.tell("apply", want)
		testlab.Eventually(t, 5*time.Second, "the old connection's end", func() bool { return !next.state().Up() })
		next.waitUp()
		time.Sleep(1500 * time.Millisecond)
		next.kill()
		testlab.Eventually(t, 15*time.Second, "no routes without it", func() bool {
			return len(l.gateways(vip4)) == 0 && len(l.gateways(vip6)) == 0
		})
	})
}

// stale tells whether the router marks a path by LLGR_STALE, 65535:6.
func stale(route string) bool {
	return strings.Contains(route, "llgr-stale") || strings.Contains(route, "(65535,6)") || strings.Contains(route, "65535:6")
}

func TestPassive(t *testing.T) {
	overBoth(t, func(t *testing.T, l *lab, kind string, over func(*config.Peer), via string) {
		l.startRouter(kind, routerConf{connects: true, password: "s3cret"})
		passive := func(password string) announce.Session {
			return sessionTo(peer(over, func(p *config.Peer) { p.Passive, p.Password = true, password }), route(vip4), route(vip6))
		}
		sp := l.startSpeaker()
		sp.tell("apply", passive("wrong"))
		testlab.Eventually(t, 15*time.Second, "the reason why nobody comes in with a wrong password", func() bool {
			st := sp.state()
			return st.Failing.Kind == KindSilent && !st.Up() && st.Problem == ""
		})
		sp.tell("apply", passive("s3cret"))
		routes := func() bool { return l.hasRoute(vip4, via) && l.hasRoute(vip6, node6) }
		testlab.Eventually(t, 20*time.Second, "routes over the router's connection", routes)
		time.Sleep(1500 * time.Millisecond) // End-of-RIB in both directions
		changes := l.monitor()
		sp.kill()
		time.Sleep(time.Second)
		next := l.startSpeaker()
		next.tell("apply", passive("s3cret"))
		next.waitUp()
		time.Sleep(2 * time.Second)
		if seen := changes(); len(seen) != 0 || !routes() {
			t.Errorf("route changes over a restart at %s: %v", kind, seen)
		}
	})
}

func TestPassiveWhereAnotherListens(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.startRouter("bird", routerConf{connects: true})
	sp := l.startSpeaker()
	wait := func(name, addr string, port uint16) announce.Session {
		return sessionTo(peer(func(p *config.Peer) {
			p.Name, p.Addr, p.Passive, p.Port = name, netip.MustParseAddr(addr), true, port
		}), route(vip4))
	}
	sp.tell("apply", wait("tor", router4, 179))
	sp.waitUp()
	sp.tell("apply", wait("late", "10.9.0.99", 179), wait("other", "10.9.0.98", 1790), wait("tor", router4, 179))
	testlab.Eventually(t, 5*time.Second, "the problem of the late one alone", func() bool {
		st := sp.tell("states")
		return len(st) == 3 && strings.Contains(st[0].Problem, "another program listens there") && st[1].Problem == "" && st[2].Up()
	})
}

// The kernel counts the attempts that nobody listens to: the first is made at once, the
// next ones after the time each, or up to a quarter more.
func TestConnectTime(t *testing.T) {
	t.Parallel()
	for router, via := range map[string]string{router4: node4, router6: node6} {
		for connect, most := range map[time.Duration]int{time.Second: 10, 30 * time.Second: 1} {
			t.Run(fmt.Sprintf("%s every %v", router, connect), func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				sp := l.startSpeaker()
				sp.tell("apply", sessionTo(peer(func(p *config.Peer) {
					p.Addr, p.Source, p.ConnectTime = netip.MustParseAddr(router), netip.MustParseAddr(via), connect
				}), route(vip4)))
				time.Sleep(10 * time.Second)
				got := l.failedConnects()
				if got > most || most > 1 && got < 3 || got < 1 {
					t.Errorf("%d attempts in 10 s", got)
				}
			})
		}
	}
}

// failedConnects is how many connections from the node were refused.
func (l *lab) failedConnects() (n int) {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error {
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		var names []string
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			switch {
			case fields[0] != "Tcp:":
			case names == nil:
				names = fields
			default:
				n, err = strconv.Atoi(fields[slices.Index(names, "AttemptFails")])
			}
		}
		return err
	})
	return n
}
