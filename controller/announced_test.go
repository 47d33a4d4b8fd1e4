package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

var (
	lan4 = netip.MustParseAddr("192.0.2.10")
	lan6 = netip.MustParseAddr("2001:db8::10")
	shop = config.Key{Namespace: "t", Name: "shop"}
)

// stage is a cluster as the controller sees it, with one Service that has an
// address of each family.
type stage struct {
	svc      *config.Service
	nodes    map[string]*config.Node
	speakers map[string]*config.SpeakerStatus
	claims   map[netip.Addr]*config.L2Claim
	snap     config.Snapshot
}

func newStage() *stage {
	s := &stage{
		svc:   &config.Service{Key: shop, Type: config.LoadBalancer, Addrs: []netip.Addr{lan4, lan6}},
		nodes: map[string]*config.Node{}, speakers: map[string]*config.SpeakerStatus{}, claims: map[netip.Addr]*config.L2Claim{},
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		s.nodes[name] = &config.Node{Name: name, Ready: true}
		s.speakers[name] = &config.SpeakerStatus{Node: name}
	}
	s.snap.Pools = []*config.Pool{{Name: "lan", Ranges: []config.Range{{From: lan4, To: lan4}, {From: lan6, To: lan6}}}}
	s.snap.Peers = []*config.Peer{{Name: "tor"}, {Name: "spine"}}
	return s
}

func (s *stage) layer2()          { s.snap.L2 = []*config.L2Advertisement{{Name: "lan"}} }
func (s *stage) bgp(to ...string) { s.snap.BGP = []*config.BGPAdvertisement{{Name: "up", Peers: to}} }

func (s *stage) claim(addr netip.Addr, owner string, links ...string) {
	s.claims[addr] = &config.L2Claim{Addr: addr, Owner: owner, Interfaces: links}
}

func (s *stage) peer(peer, state string, nodes ...string) {
	for _, n := range nodes {
		s.speakers[n].Sessions = append(s.speakers[n].Sessions, config.SessionReport{Peer: peer, State: state})
	}
}

func (s *stage) except(node, reason, message string, addrs ...netip.Addr) {
	for _, addr := range addrs {
		s.speakers[node].Exceptions = append(s.speakers[node].Exceptions,
			config.Exception{Service: shop, Addr: addr, Reason: reason, Message: message})
	}
}

func (s *stage) snapshot() *config.Snapshot {
	snap := s.snap
	snap.Services = config.TableOf(map[config.Key]*config.Service{shop: s.svc})
	snap.Nodes, snap.Speakers, snap.Claims = config.TableOf(s.nodes), config.TableOf(s.speakers), config.TableOf(s.claims)
	return &snap
}

func TestAnnouncedCondition(t *testing.T) {
	for _, c := range []struct {
		name    string
		setup   func(s *stage)
		status  bool
		reason  string
		message string
	}{
		{"by one node", func(s *stage) { s.layer2(); s.claim(lan4, "n2", "eth0"); s.claim(lan6, "n2", "eth0") },
			true, "Announced", "layer2: node n2, eth0"},
		{"by a node that says no interface", func(s *stage) { s.layer2(); s.claim(lan4, "n2"); s.claim(lan6, "n2") },
			true, "Announced", "layer2: node n2"},
		{"by two nodes", func(s *stage) { s.layer2(); s.claim(lan4, "n2", "eth0", "eth1"); s.claim(lan6, "n1", "eth0") },
			true, "Announced", "layer2: 192.0.2.10 node n2, eth0, eth1; layer2: 2001:db8::10 node n1, eth0"},
		{"to routers", func(s *stage) { s.bgp(); s.peer("tor", "Established", "n1", "n2", "n3"); s.peer("spine", "Idle", "n1") },
			true, "Announced", "bgp: 3 nodes"},
		{"to routers with policy Local", func(s *stage) { s.svc.Local = true; s.bgp(); s.peer("tor", "Established", "n1", "n2") },
			true, "Announced", "bgp: those of 2 nodes that have an endpoint"},
		{"by both", func(s *stage) {
			s.layer2()
			s.bgp("spine")
			s.claim(lan4, "n2", "eth0")
			s.claim(lan6, "n2", "eth0")
			s.peer("spine", "Established", "n3")
		}, true, "Announced", "layer2: node n2, eth0; bgp: 1 node"},
		{"on the LAN for one family, to routers for both", func(s *stage) {
			s.layer2()
			s.bgp()
			s.claim(lan4, "n2", "eth0")
			s.peer("tor", "Established", "n1")
		}, true, "Announced", "layer2: 192.0.2.10 node n2, eth0; bgp: 1 node"},
		{"no advertisement", func(*stage) {}, false, "NoMatchingAdvertisement",
			"no L2Advertisement and no BGPAdvertisement selects pool lan with this Service"},
		{"an advertisement for others", func(s *stage) {
			s.layer2()
			s.snap.L2[0].ServiceSelectors = []config.Selector{{Requirements: []config.Requirement{{Key: "x", Op: config.Exists}}}}
		}, false, "NoMatchingAdvertisement", "no L2Advertisement and no BGPAdvertisement selects pool lan with this Service"},
		{"an advertisement for no node", func(s *stage) {
			s.layer2()
			s.snap.L2[0].NodeSelectors = []config.Selector{{Requirements: []config.Requirement{{Key: "x", Op: config.Exists}}}}
		}, false, "NoMatchingNode", "no node is chosen by the nodeSelectors of the L2Advertisements for the address"},
		{"not claimed yet", func(s *stage) { s.layer2(); s.claim(lan4, "n2", "eth0") },
			false, "NotClaimed", "layer2: 192.0.2.10 node n2, eth0; no node has claimed 2001:db8::10 yet"},
		{"no session", func(s *stage) { s.bgp("tor"); s.peer("spine", "Established", "n1"); s.peer("tor", "Active", "n1") },
			false, "NoSession", "no BGP session that is to hear of the address is established"},
		{"no endpoint", func(s *stage) {
			s.layer2()
			s.bgp()
			s.claim(lan4, "n2", "eth0")
			s.claim(lan6, "n2", "eth0")
			s.peer("tor", "Established", "n1")
			s.except("n1", "noEndpoints", "the Service has no ready endpoint", lan4, lan6)
		}, false, "NoEndpoints", "the Service has no ready endpoint"},
		{"the owner cannot, but routers know", func(s *stage) {
			s.layer2()
			s.bgp()
			s.claim(lan4, "n2", "eth0")
			s.claim(lan6, "n2", "eth0")
			s.peer("tor", "Established", "n1")
			s.except("n2", "forwarderNotReady", "not ready", lan4, lan6)
		}, true, "Announced", "bgp: 1 node"},
		{"the owner cannot", func(s *stage) {
			s.layer2()
			s.claim(lan4, "n2", "eth0")
			s.claim(lan6, "n2", "eth0")
			s.except("n2", "forwarderNotReady", "not ready", lan4, lan6)
		}, false, "ForwarderNotReady", "not ready"},
		{"the one who had it before could not", func(s *stage) {
			s.layer2()
			s.claim(lan4, "n2", "eth0")
			s.claim(lan6, "n2", "eth0")
			s.except("n1", "noInterface", "none", lan4, lan6)
		}, true, "Announced", "layer2: node n2, eth0"},
		{"the owner's node is not ready", func(s *stage) {
			s.layer2()
			s.svc.Addrs = s.svc.Addrs[:1]
			s.claim(lan4, "n2", "eth0")
			s.nodes["n2"].Ready = false
		}, false, "OwnerNotReady", "node n2, which owns 192.0.2.10, is not Ready"},
		{"the reports of a node that is gone", func(s *stage) {
			s.bgp()
			s.peer("tor", "Established", "n1")
			s.except("n1", "noEndpoints", "none", lan4, lan6)
			delete(s.nodes, "n1")
		}, false, "NoSession", "no BGP session that is to hear of the address is established"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage()
			c.setup(s)
			got := newOutlook(s.snapshot()).condition(s.svc)
			want := config.Condition{Type: config.ConditionAnnounced, Status: c.status, Reason: c.reason, Message: c.message}
			if got == nil || *got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
	s := newStage()
	s.svc.Addrs = []netip.Addr{netip.MustParseAddr("203.0.113.1")}
	if c := newOutlook(s.snapshot()).condition(s.svc); c != nil {
		t.Errorf("an address that is not ours: %+v", c)
	}
}

// announcing is a leader of a cluster with one pool that is announced on the
// LAN.
func announcing(t *testing.T) (*cluster, *leader) {
	t.Helper()
	c := newCluster(&config.Pool{Name: "lan", AutoAssign: true, Ranges: []config.Range{{From: lan4, To: netip.MustParseAddr("192.0.2.250")}}})
	c.l2 = []*config.L2Advertisement{{Name: "lan"}}
	c.nodes["n1"] = &config.Node{Name: "n1", Ready: true}
	return c, newLeader(c, Options{})
}

// notices writes what is due of them and returns it.
func (l *leader) notices() (out []string) {
	for {
		w, _ := l.peekNotice(l.now)
		if w == nil {
			return out
		}
		l.begin(w, l.now)
		l.finish(result{w, l.perform(context.Background(), w)}, l.now)
		out = append(out, w.ref.Name+" "+text(w.says.Announced))
	}
}

func text(c *config.Condition) string {
	if c == nil {
		return "removed"
	}
	return fmt.Sprintf("%v %s: %s", c.Status, c.Reason, c.Message)
}

func (c *cluster) own(addr netip.Addr, owner string) {
	c.claims[addr] = &config.L2Claim{Addr: addr, Owner: owner, Interfaces: []string{"eth0"}}
	c.changed.Claims = append(c.changed.Claims, addr)
}

// Many changes in a moment are one write, a pause later; then nothing is
// written until something changes; and a Service that is no more of ours loses
// the condition.
func TestAnnouncedIsWrittenOnce(t *testing.T) {
	c, l := announcing(t)
	c.set(service("shop"))
	l.run()
	c.own(lan4, "n1")
	l.run()
	if got := l.notices(); got != nil {
		t.Errorf("at once: %q", got)
	}
	l.now = l.now.Add(noticePause)
	if got := strings.Join(l.notices(), "; "); got != "shop true Announced: layer2: node n1, eth0" {
		t.Errorf("after the pause: %q", got)
	}
	l.run()
	l.now = l.now.Add(time.Minute)
	if got := l.notices(); got != nil {
		t.Errorf("again: %q", got)
	}
	c.nodes["n2"] = &config.Node{Name: "n2", Ready: true}
	c.changed.Nodes = []string{"n2"}
	c.own(lan4, "n2")
	l.run()
	l.now = l.now.Add(noticePause)
	if got := strings.Join(l.notices(), "; "); got != "shop true Announced: layer2: node n2, eth0" {
		t.Errorf("after a move: %q", got)
	}
	c.nodes["n2"] = &config.Node{Name: "n2"}
	c.changed.Nodes = []string{"n2"}
	l.run()
	c.drain()
	l.now = l.now.Add(noticePause)
	if got := strings.Join(l.notices(), "; "); !strings.HasPrefix(got, "shop false OwnerNotReady") {
		t.Errorf("owner not ready: %q", got)
	}
	if _, events := c.drain(); len(events) != 1 || !strings.HasPrefix(events[0], "shop Warning announceFailed: node n2") {
		t.Errorf("events %q", events)
	}
	c.edit("shop", func(s *config.Service) { s.Type = config.ClusterIP })
	l.run()
	l.now = l.now.Add(noticePause)
	if got := strings.Join(l.notices(), "; "); got != "shop removed" {
		t.Errorf("no LoadBalancer any more: %q", got)
	}
}

// What a speaker finds out concerns the Services it names, and those only.
func TestAnnouncedFollowsReports(t *testing.T) {
	c, l := announcing(t)
	c.speakers["n1"] = &config.SpeakerStatus{Node: "n1"} // its first report concerns all
	c.set(service("shop"))
	c.set(service("other"))
	l.run()
	for _, name := range []string{"shop", "other"} {
		c.own(c.get(name).Addrs[0], "n1")
	}
	l.run()
	l.now = l.now.Add(noticePause)
	if got := l.notices(); len(got) != 1 { // the second has to wait for the gap
		t.Errorf("first: %q", got)
	}
	l.now = l.now.Add(noticeBusy)
	l.notices()
	l.run()
	l.now = l.now.Add(time.Minute)
	l.notices()
	c.speakers["n1"] = &config.SpeakerStatus{Node: "n1", Exceptions: []config.Exception{
		{Service: shop, Addr: c.get("shop").Addrs[0], Reason: "noEndpoints", Message: "the Service has no ready endpoint"}}}
	c.changed.Nodes = []string{"n1"}
	l.run()
	if n := len(l.news.queue); n != 1 {
		t.Errorf("%d Services are looked at", n)
	}
	l.now = l.now.Add(noticePause)
	if got := strings.Join(l.notices(), "; "); got != "shop false NoEndpoints: the Service has no ready endpoint" {
		t.Errorf("exception: %q", got)
	}
	c.speakers["n1"] = &config.SpeakerStatus{Node: "n1"}
	c.changed.Nodes = []string{"n1"}
	l.run()
	l.now = l.now.Add(noticePause)
	if got := strings.Join(l.notices(), "; "); got != "shop true Announced: layer2: node n1, eth0" {
		t.Errorf("exception over: %q", got)
	}
}

// Addresses go first: while one is being written no notice is, and right after
// one they are few. A failed one is tried again, later and later.
func TestAddressesGoFirst(t *testing.T) {
	c, l := announcing(t)
	c.set(service("shop"))
	l.run()
	l.now = l.now.Add(noticePause)
	c.set(service("other"))
	l.step(c.snapshot(), l.now)
	w, _ := l.out.peek(l.now)
	l.out.begin(w)
	if n, wait := l.peekNotice(l.now); n != nil || wait < time.Minute {
		t.Errorf("beside the write of an address: %+v, %v", n, wait)
	}
	l.finish(result{w, l.perform(t.Context(), w)}, l.now)
	n, _ := l.peekNotice(l.now)
	if n == nil {
		t.Fatal("no notice after the address")
	}
	l.begin(n, l.now)
	l.finish(result{n, errors.New("no answer")}, l.now)
	if gap := l.news.next.Sub(l.now); gap != retryMin {
		t.Errorf("after a failure nothing for %v", gap)
	}
	l.now = l.now.Add(time.Minute)
	if n, _ = l.peekNotice(l.now); n == nil {
		t.Fatal("not tried again")
	}
	l.begin(n, l.now)
	if gap := l.news.next.Sub(l.now); gap != noticeGap {
		t.Errorf("gap in quiet times %v", gap)
	}
	if again, _ := l.peekNotice(l.now.Add(time.Minute)); again != nil && again.ref == n.ref {
		t.Error("the same Service twice at a time")
	}
	l.finish(result{n, fmt.Errorf("write: %w", config.ErrGone)}, l.now)
	if l.news.fails != 0 || len(l.news.busy) != 0 {
		t.Errorf("a Service that is gone: %+v", l.news)
	}
}
