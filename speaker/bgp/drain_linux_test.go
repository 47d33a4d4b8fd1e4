package bgp

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// fromNode is a session of one of the node's two speakers, with the routes of
// both families.
func fromNode(addr4, addr6 string, changes ...func(*config.Peer)) announce.Session {
	from := func(p *config.Peer) { p.Source = netip.MustParseAddr(addr4) }
	second := route(vip6)
	second.NextHop = netip.MustParseAddr(addr6)
	want := sessionTo(peer(append(changes, from)...), route(vip4), second)
	want.RouterID = netip.MustParseAddr(addr4)
	return want
}

// begin gives an order whose answer is waited for later.
func (p *process) begin(op string) {
	p.t.Helper()
	if err := p.orders.Encode(order{Op: op}); err != nil {
		p.t.Fatalf("order %s: %v", op, err)
	}
}

// pair are two speakers of one node, whose routes their router spreads over.
type pair struct {
	*lab
	r    *router
	a, b *process
	as   func(*config.Peer) // the router's
}

// oneGoes runs goes, in which a's routes go: at a router in another AS, which heeds
// the community, and at one inside ours, which heeds the LOCAL_PREF. The prefixes
// may be without a route at no time.
func oneGoes(t *testing.T, goes func(t *testing.T, p *pair)) {
	for name, conf := range map[string]routerConf{
		"external": {two: true, gshut: true, asn: 64501}, "internal": {two: true, asn: 64512},
	} {
		t.Run(name, func(t *testing.T) {
			forKinds(t, func(t *testing.T, l *lab, kind string) {
				l.twoSpeakers()
				p := &pair{
					lab: l, r: l.startRouter(kind, conf), a: l.startSpeaker(), b: l.startSpeaker(),
					as: func(p *config.Peer) { p.PeerASN = conf.asn },
				}
				p.a.tell("apply", p.ofA())
				p.b.tell("apply", fromNode(node4b, node6b, p.as))
				p.await(20*time.Second, "routes by both speakers", p.both)
				changes := l.monitor()
				goes(t, p)
				for _, c := range changes() { // of IPv6 the kernel tells each next hop that goes
					if strings.HasPrefix(c, "type 25 ") && strings.Contains(c, "192.0.2.10") { // RTM_DELROUTE
						t.Errorf("the prefix was without a route: %s", c)
					}
				}
			})
		})
	}
}

// ofA is the session of a.
func (p *pair) ofA() announce.Session { return fromNode(node4, node6, p.as) }

func (p *pair) await(limit time.Duration, what string, ok func() bool) {
	p.t.Helper()
	testlab.Eventually(p.t, limit, what, ok)
}

// both tells whether the router's kernel leads to both.
func (p *pair) both() bool { return p.leadsTo(vip4, node4, node4b) && p.leadsTo(vip6, node6, node6b) }

// onlyB tells whether it leads to b alone.
func (p *pair) onlyB() bool { return p.leadsTo(vip4, node4b) && p.leadsTo(vip6, node6b) }

// lastOfA tells whether the router holds the routes of a as the last choice.
func (p *pair) lastOfA() bool { return lastChoice(p.r.route(vip4)) && lastChoice(p.r.route(vip6)) }

// noneOfA tells whether it holds none of them so any more.
func (p *pair) noneOfA() bool { return !lastChoice(p.r.route(vip4)) && !lastChoice(p.r.route(vip6)) }

func TestLeavingSpeakerIsTheLastChoiceFirst(t *testing.T) {
	oneGoes(t, func(t *testing.T, p *pair) {
		p.a.begin("stop")
		p.await(testDrain, "the other's routes alone, while the leaving one still offers its own", func() bool {
			return p.onlyB() && p.lastOfA()
		})
		p.await(testDrain+5*time.Second, "withdrawal", p.noneOfA)
		if err := p.a.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if !p.onlyB() {
			t.Errorf("routes after the stop: %v, %v", p.gateways(vip4), p.gateways(vip6))
		}
		if p.r.Kind == "bird" {
			p.await(2*time.Second, "the text of the shutdown", func() bool {
				return strings.Contains(p.r.Out.String(), "Steelyard leaves this node")
			})
		}
	})
}

// A route that is on its way out is the last choice until it is withdrawn, and the
// session stays.
func TestRouteOnItsWayOut(t *testing.T) {
	oneGoes(t, func(t *testing.T, p *pair) {
		leaving := p.ofA()
		for i := range leaving.Routes {
			leaving.Routes[i].Last = true
		}
		p.a.tell("apply", leaving)
		p.await(10*time.Second, "the other's routes alone, while these are offered", func() bool {
			return p.onlyB() && p.lastOfA()
		})
		if st := p.a.state(); !st.Up() || st.Flaps != 0 || st.Prefixes != 2 {
			t.Errorf("state while they go: %+v", st)
		}
		leaving.Routes = nil
		p.a.tell("apply", leaving)
		p.await(10*time.Second, "withdrawal", p.noneOfA)
		if st := p.a.state(); !st.Up() || st.Flaps != 0 {
			t.Errorf("state after: %+v", st)
		}
		p.a.tell("apply", p.ofA())
		p.await(10*time.Second, "routes by both again", p.both)
	})
}

// lastChoice tells whether the router holds a path with GRACEFUL_SHUTDOWN.
func lastChoice(route string) bool {
	return strings.Contains(route, "graceful-shutdown") || strings.Contains(route, "(65535,0)") ||
		strings.Contains(route, "65535:0")
}

// A peer under another name has to wait: the router takes one connection only.
func TestRenamedPeerFollowsTheOldOne(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		r := l.startRouter(kind, routerConf{})
		sp, want := usual(l)
		renamed := want
		renamed.Peer = peer(func(p *config.Peer) { p.Name = "spine" })
		sp.tell("apply", renamed)
		testlab.Eventually(t, testDrain, "the old session's routes as the last choice", func() bool { return lastChoice(r.route(vip4)) })
		testlab.Eventually(t, testDrain+15*time.Second, "the new session alone", func() bool {
			st := sp.tell("states")
			return len(st) == 1 && st[0].Peer == "spine" && st[0].Up()
		})
		testlab.Eventually(t, 5*time.Second, "its routes", func() bool {
			return l.hasRoute(vip4, node4) && l.hasRoute(vip6, node6) && !lastChoice(r.route(vip4))
		})
		if st := sp.state(); st.Flaps != 0 || st.Failing != (Reason{}) {
			t.Errorf("state %+v", st)
		}
	})
}

// A router that has ceased to read holds up no leave, with more routes than
// find room on the way to it.
func TestLeavingARouterThatHangs(t *testing.T) {
	forKinds(t, func(t *testing.T, l *lab, kind string) {
		const count = 5000
		testlab.In(t, l.node, func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_wmem", []byte("4096 8192 16384"), 0) })
		testlab.In(t, l.router, func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_rmem", []byte("4096 8192 16384"), 0) })
		r := l.startRouter(kind, routerConf{})
		var routes []announce.Route
		for i := range count {
			routes = append(routes, route(fmt.Sprintf("10.50.%d.%d/32", i/250, i%250)))
		}
		sp := l.startSpeaker()
		sp.tell("apply", sessionTo(peer(), routes...))
		last := fmt.Sprintf("10.50.%d.%d/32", (count-1)/250, (count-1)%250)
		testlab.Eventually(t, 30*time.Second, "the last route", func() bool { return l.hasRoute(last, node4) })
		r.freeze()
		begin := time.Now()
		sp.tell("stop")
		if err := sp.cmd.Wait(); err != nil {
			t.Errorf("not left after %v: %v", time.Since(begin), err)
		}
	})
}

// freeze makes the router's daemons hang: their sockets stay as they are.
func (r *router) freeze() {
	r.T.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.Pid()))
	if err != nil {
		r.T.Fatal(err)
	}
	frozen := 0
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			r.T.Fatal(err)
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err == nil {
				err = syscall.Kill(pid, syscall.SIGSTOP)
			}
			if err != nil {
				r.T.Fatal(err)
			}
			r.T.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) }) // to be asked why a test failed
			frozen++
		}
	}
	if frozen == 0 {
		r.T.Fatal("nothing to freeze")
	}
}
