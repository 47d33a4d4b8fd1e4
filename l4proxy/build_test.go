package l4proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// cluster is one Service with endpoints written as "address@node", with "!" for
// not ready and "~" for terminating but serving.
func cluster(svc *config.Service, endpoints string) *config.Snapshot {
	svc.Key = config.Key{Namespace: "default", Name: "web"}
	if svc.Type == "" {
		svc.Type = config.LoadBalancer
	}
	if svc.Addrs == nil {
		svc.Addrs = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
	}
	svc.Ports = []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80, NodePort: 30080}}
	ep := config.EndpointPort{Name: "http", Proto: config.TCP}
	for _, text := range strings.Fields(endpoints) {
		addr, node, _ := strings.Cut(text, "@")
		b := config.Backend{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 8080), Node: strings.TrimRight(node, "!~"), Ready: true, Serving: true}
		if strings.HasSuffix(node, "!") {
			b.Ready, b.Serving = false, false
		}
		if strings.HasSuffix(node, "~") {
			b.Ready, b.Terminating = false, true
		}
		ep.Backends = append(ep.Backends, b)
	}
	nodes := map[string]*config.Node{}
	for _, n := range []string{"n0", "n1", "n2", "n3"} {
		nodes[n] = &config.Node{Name: n}
	}
	return &config.Snapshot{
		Services:  config.TableOf(map[config.Key]*config.Service{svc.Key: svc}),
		Endpoints: config.TableOf(map[config.Key]*config.Endpoints{svc.Key: {Service: svc.Key, Ports: []config.EndpointPort{ep}}}),
		Nodes:     config.TableOf(nodes),
		Pools: []*config.Pool{{Name: "p", Ranges: []config.Range{
			{From: netip.MustParseAddr("198.51.100.0"), To: netip.MustParseAddr("198.51.100.255")}}}},
	}
}

// describe is where new connections to the Service's address go.
func describe(t Table, frontend string) string {
	target := t.Target(Frontend{netip.MustParseAddrPort(frontend), config.TCP})
	switch target.Action {
	case Pass:
		return "pass"
	case Reject:
		return "reject"
	case Drop:
		return "drop"
	}
	var out []string
	for _, b := range target.Group.Backends {
		out = append(out, b.Addr.Addr().String())
	}
	return strings.Join(out, " ")
}

func TestBuild(t *testing.T) {
	const vip = "198.51.100.1:80"
	local, other := &config.Service{Local: true}, &config.Service{Class: "other"}
	for _, c := range []struct {
		name      string
		svc       *config.Service
		endpoints string
		dead      string
		frontend  string
		want      string
	}{
		{"ready endpoints anywhere", &config.Service{}, "10.0.0.1@n0 10.0.0.2@n1 10.0.0.3@n2!", "", vip, "10.0.0.1 10.0.0.2"},
		{"no endpoints", &config.Service{}, "", "", vip, "reject"},
		{"none ready", &config.Service{}, "10.0.0.1@n0!", "", vip, "reject"},
		{"terminating ones as a last resort", &config.Service{}, "10.0.0.1@n0~ 10.0.0.2@n1!", "", vip, "10.0.0.1"},
		{"and not before", &config.Service{}, "10.0.0.1@n0~ 10.0.0.2@n1", "", vip, "10.0.0.2"},
		{"dead node", &config.Service{}, "10.0.0.1@n1 10.0.0.2@n2", "n1", vip, "10.0.0.2"},
		{"a terminating endpoint before one on a dead node", &config.Service{}, "10.0.0.1@n1 10.0.0.2@n2~", "n1", vip, "10.0.0.2"},
		{"all endpoints on dead nodes are kept", &config.Service{}, "10.0.0.1@n1", "n1", vip, "10.0.0.1"},
		{"half the cluster may be dead", &config.Service{}, "10.0.0.1@n0 10.0.0.2@n1 10.0.0.3@n2", "n1 n2", vip, "10.0.0.1"},
		{"more than half is a partition", &config.Service{}, "10.0.0.1@n0 10.0.0.2@n1 10.0.0.3@n2", "n1 n2 n3", vip, "10.0.0.1 10.0.0.2 10.0.0.3"},
		{"this node is never dead", &config.Service{}, "10.0.0.1@n0 10.0.0.2@n1", "n0", vip, "10.0.0.1 10.0.0.2"},
		{"Local: only here", local, "10.0.0.1@n0 10.0.0.2@n1", "", vip, "10.0.0.1"},
		{"Local: node port too", local, "10.0.0.1@n0 10.0.0.2@n1", "", "192.0.2.1:30080", "10.0.0.1"},
		{"Local: none here", local, "10.0.0.2@n1", "", vip, "drop"},
		{"Local: none at all", local, "", "", vip, "reject"},
		{"Local: terminating here", local, "10.0.0.1@n0~ 10.0.0.2@n1", "", vip, "10.0.0.1"},
		{"another class", other, "10.0.0.1@n0", "", vip, "pass"},
		{"another class: node port", other, "10.0.0.1@n0", "", "192.0.2.1:30080", "10.0.0.1"},
		{"an address that is not ours", &config.Service{Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}}, "10.0.0.1@n0", "", "203.0.113.1:80", "pass"},
		{"this node's own address", &config.Service{Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.99")}}, "10.0.0.1@n0", "", "198.51.100.99:80", "pass"},
		{"an endpoint that is the address itself", &config.Service{}, "198.51.100.1@n1 10.0.0.1@n1", "", vip, "10.0.0.1"},
		{"type NodePort", &config.Service{Type: config.NodePort}, "10.0.0.1@n1", "", vip, "pass"},
		{"type ClusterIP", &config.Service{Type: config.ClusterIP}, "10.0.0.1@n1", "", "192.0.2.1:30080", "pass"},
		{"node port of another family", &config.Service{Families: []config.Family{config.IPv6}}, "10.0.0.1@n1", "", "192.0.2.1:30080", "pass"},
	} {
		dead := map[string]bool{}
		for _, n := range strings.Fields(c.dead) {
			dead[n] = true
		}
		svc := *c.svc
		table := Build(cluster(&svc, c.endpoints), Options{Node: "n0", Dead: dead,
			NodeAddrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.99")}})
		if got := describe(table, c.frontend); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestHints writes hints as "node/zone" behind an endpoint's address.
func TestHints(t *testing.T) {
	for _, c := range []struct{ name, zone, dead, hints, want string }{
		{"none", "a", "", "- -", "10.0.0.1 10.0.0.2"},
		{"for this zone", "a", "", "/a /b", "10.0.0.1"},
		{"for this zone too", "b", "", "/a,b /b", "10.0.0.1 10.0.0.2"},
		{"one has none", "a", "", "/a -", "10.0.0.1 10.0.0.2"},
		{"one has one about nodes only", "a", "", "/a n1/", "10.0.0.1 10.0.0.2"},
		{"another zone", "c", "", "/a /b", "10.0.0.1 10.0.0.2"},
		{"a node without a zone", "", "", "/a /b", "10.0.0.1 10.0.0.2"},
		{"for this node", "a", "", "n0/a n1/a", "10.0.0.1"},
		{"for other nodes, but this zone", "a", "", "n2/b n1/a", "10.0.0.2"},
		{"not all about nodes, but zones", "a", "", "n0/b /a", "10.0.0.2"},
		{"all of the zone are on dead nodes", "a", "n1", "/b /a", "10.0.0.1"},
		{"those that say nothing are on dead nodes", "b", "n1", "/b -", "10.0.0.1"},
	} {
		snap := cluster(&config.Service{}, "10.0.0.1@n0 10.0.0.2@n1")
		for _, eps := range snap.Endpoints.All() {
			for i, text := range strings.Fields(c.hints) {
				if nodes, zones, ok := strings.Cut(text, "/"); ok {
					list := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
					eps.Ports[0].Backends[i].Hints = &config.Hints{Nodes: list(nodes), Zones: list(zones)}
				}
			}
		}
		table := Build(snap, Options{Node: "n0", Zone: c.zone, Dead: map[string]bool{c.dead: true}})
		if got := describe(table, "198.51.100.1:80"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestKeeps(t *testing.T) {
	addr := func(a string) netip.AddrPort { return netip.MustParseAddrPort(a + ":8080") }
	snap := cluster(&config.Service{}, "10.0.0.1@n0 10.0.0.2@n1~ 10.0.0.3@n1! 10.0.0.4@n2")
	table := Build(snap, Options{Node: "n0", Dead: map[string]bool{"n2": true}})
	g := table.Target(Frontend{netip.MustParseAddrPort("198.51.100.1:80"), config.TCP}).Group
	udp := *g
	udp.Key.Proto = config.UDP
	for a, want := range map[string][2]bool{ // TCP, UDP
		"10.0.0.1": {true, true},   // a backend
		"10.0.0.2": {true, true},   // terminating, serving
		"10.0.0.3": {true, false},  // not ready
		"10.0.0.4": {false, false}, // on a dead node
		"10.0.0.5": {false, false}, // unknown
	} {
		if got := [2]bool{g.Keeps(addr(a)), udp.Keeps(addr(a))}; got != want {
			t.Errorf("%s: keeps TCP, UDP %v, want %v", a, got, want)
		}
	}
	for a, want := range map[string][2]bool{ // of another port of the same endpoints
		"10.0.0.1": {true, false}, "10.0.0.2": {true, false}, "10.0.0.4": {false, false},
	} {
		other := netip.AddrPortFrom(addr(a).Addr(), 8081)
		if got := [2]bool{g.Keeps(other), udp.Keeps(other)}; got != want {
			t.Errorf("%v: keeps TCP, UDP %v, want %v", other, got, want)
		}
	}
}

func TestConflict(t *testing.T) {
	snap := cluster(&config.Service{Created: time.Unix(2, 0)}, "10.0.0.1@n0")
	older := &config.Service{Created: time.Unix(1, 0)}
	snap2 := cluster(older, "10.0.0.2@n0")
	key := config.Key{Namespace: "default", Name: "zzz"}
	older.Key = key
	services, eps := snap.Services.Edit(), snap.Endpoints.Edit()
	services.Set(key, older)
	for _, e := range snap2.Endpoints.All() {
		eps.Set(key, e)
	}
	snap.Services, snap.Endpoints = services.Done(), eps.Done()
	table := Build(snap, Options{Node: "n0"})
	if got := describe(table, "198.51.100.1:80"); got != "10.0.0.2" {
		t.Errorf("the older Service should keep the address: %q", got)
	}
	c := table.Conflicts()
	if len(c) != 1 || c[0].Winner != key || c[0].Loser.Name != "web" {
		t.Errorf("conflicts: %+v", c)
	}
}

// TestSharedGroup: all frontends of a Service port lead to one group.
func TestSharedGroup(t *testing.T) {
	snap := cluster(&config.Service{Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")}}, "10.0.0.1@n0")
	table := Build(snap, Options{Node: "n0", NodeAddrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
	groups := map[*Group]int{}
	for _, target := range table.Frontends() {
		groups[target.Group]++
	}
	if len(groups) != 1 || table.Len() != 3 {
		t.Errorf("%d frontends, groups %v", table.Len(), groups)
	}
}

func TestSourceRanges(t *testing.T) {
	for list, want := range map[string]string{
		"10.0.0.0/8":                             "10.0.0.0-10.255.255.255",
		"10.0.0.0/9 10.128.0.0/9":                "10.0.0.0-10.255.255.255",
		"10.0.0.0/8 10.1.0.0/16":                 "10.0.0.0-10.255.255.255",
		"10.1.2.3/24 192.0.2.1/32":               "10.1.2.0-10.1.2.255 192.0.2.1-192.0.2.1",
		"0.0.0.0/0 10.0.0.0/8":                   "0.0.0.0-255.255.255.255",
		"255.255.255.255/32 255.255.255.254/32":  "255.255.255.254-255.255.255.255",
		"2001:db8::/32 2001:db8:1::/48 fd00::/8": "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"::ffff:10.0.0.0/104":                    "10.0.0.0-10.255.255.255",
	} {
		var prefixes []netip.Prefix
		for _, p := range strings.Fields(list) {
			prefixes = append(prefixes, netip.MustParsePrefix(p))
		}
		var got []string
		for _, r := range sourceRanges(prefixes) {
			got = append(got, strings.Trim(fmt.Sprint(r), "[]"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", list, got, want)
		}
	}
}
