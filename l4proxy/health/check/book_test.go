package check

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// cluster is nodes with a book and an agenda each, which hear each other.
type cluster struct {
	t     *testing.T
	now   time.Time
	nodes map[string]*node
	snap  *config.Snapshot
	sick  map[netip.AddrPort]bool // fail their checks
	cut   map[string]bool         // nodes that are not heard, nor hear
	asked map[string]int          // checks made, by node
}

type node struct {
	*Book
	agenda  *Agenda
	version int
}

func newCluster(t *testing.T, names ...string) *cluster {
	c := &cluster{t: t, now: begin, nodes: map[string]*node{}, snap: &config.Snapshot{}, sick: map[netip.AddrPort]bool{},
		cut: map[string]bool{}, asked: map[string]int{}}
	for i, name := range names {
		c.nodes[name] = &node{Book: NewBook(name, nil), agenda: NewAgenda(uint64(i), 100), version: -1}
	}
	return c
}

// backends makes a Service of ours have these.
func (c *cluster) backends(name string, addrs ...string) config.Key {
	key := config.Key{Namespace: "default", Name: name}
	check := target(0).Check
	svc := &config.Service{Key: key, Type: config.LoadBalancer, Check: &check, Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}}}
	port := config.EndpointPort{Proto: config.TCP}
	for _, a := range addrs {
		port.Backends = append(port.Backends, config.Backend{Addr: netip.MustParseAddrPort(a), Ready: true, Serving: true})
	}
	services, eps := c.snap.Services.Edit(), c.snap.Endpoints.Edit()
	services.Set(key, svc)
	eps.Set(key, &config.Endpoints{Service: key, Ports: []config.EndpointPort{port}})
	c.snap = &config.Snapshot{Services: services.Done(), Endpoints: eps.Done()}
	for _, n := range c.nodes {
		n.Take(c.snap, config.Changes{Services: []config.Key{key}}, c.now)
	}
	return key
}

// pass lets time pass.
func (c *cluster) pass(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(50 * time.Millisecond) {
		for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
			c.step(name, c.nodes[name])
		}
	}
}

func (c *cluster) step(name string, n *node) {
	var alive []string
	for other := range c.nodes {
		if c.cut[other] == c.cut[name] {
			alive = append(alive, other)
		}
	}
	slices.Sort(alive)
	n.Meet(alive, c.now)
	if n.version != n.Version() {
		n.version = n.Version()
		n.agenda.Apply(n.Mine(), c.now)
	}
	due, _ := n.agenda.Begin(c.now)
	for _, check := range due {
		c.asked[name]++
		r := Result{ID: check.ID()}
		if c.sick[check.Addr] {
			r.Why = "refused"
		}
		if v, news := n.agenda.End(check, r); news {
			_, words := n.Judge([]Verdict{v}, c.now)
			c.tell(name, words)
		}
	}
	if c.now.Sub(begin)%TellEvery == 0 {
		c.tell(name, n.Telling(c.now))
	}
	n.Lapse(c.now)
}

func (c *cluster) tell(from string, words []Word) {
	for name, n := range c.nodes {
		if name != from && c.cut[name] == c.cut[from] {
			n.Hear(words, c.now)
		}
	}
}

// expect compares what nodes leave out of a Service.
func (c *cluster) expect(when string, key config.Key, want string) {
	c.t.Helper()
	for name, n := range c.nodes {
		sick, _ := n.Down().Get(key)
		got := strings.Trim(fmt.Sprint(sick.Addrs()), "[]")
		if got != want {
			c.t.Errorf("%s: %s leaves out %q, want %q", when, name, got, want)
		}
	}
}

func TestBackendGoesDownAndComesUp(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	web := c.backends("web", "10.0.0.1:80", "10.0.0.2:80")
	c.pass(10 * time.Second)
	c.expect("at first", web, "")
	c.sick[netip.MustParseAddrPort("10.0.0.1:80")] = true
	c.pass(10 * time.Second) // three failures, two seconds apart
	c.expect("one fails", web, "10.0.0.1:80")
	c.pass(time.Minute)
	c.expect("a minute later", web, "10.0.0.1:80")
	if c.nodes["n1"].AllDown(web) {
		t.Error("all backends are taken for down")
	}
	c.sick[netip.MustParseAddrPort("10.0.0.2:80")] = true
	c.pass(10 * time.Second)
	c.expect("both fail", web, "10.0.0.1:80 10.0.0.2:80")
	if !c.nodes["n1"].AllDown(web) {
		t.Error("not all backends are taken for down")
	}
	clear(c.sick)
	c.pass(7 * time.Second)
	c.expect("well again", web, "")
	all := 0
	for _, n := range c.asked {
		all += n
	}
	if most := 2*97/2 + 10; all > most {
		t.Errorf("%d checks of two targets in 97 s, want at most %d: each is one node's", all, most)
	}
}

// A target of which one node knows that it is down stays down when that node
// dies, without a gap, and comes up by the word of another.
func TestHandOver(t *testing.T) {
	c := newCluster(t, "n1", "n2", "n3")
	var addrs []string
	for i := range 30 {
		addrs = append(addrs, fmt.Sprintf("10.0.0.%d:80", i+10))
		c.sick[netip.MustParseAddrPort(addrs[i])] = true
	}
	web := c.backends("web", addrs...)
	c.pass(5 * time.Second)
	all := strings.Join(addrs, " ")
	c.expect("all fail", web, all)
	c.cut["n2"] = true
	for range 200 {
		c.pass(200 * time.Millisecond)
		c.expect("n2 is cut off", web, all)
	}
	clear(c.sick)
	c.pass(7 * time.Second)
	c.expect("well again", web, "")
	c.sick[netip.MustParseAddrPort(addrs[0])] = true
	c.pass(10 * time.Second)
	clear(c.cut)
	c.pass(10 * time.Second)
	c.expect("n2 is back", web, addrs[0])
}

// What nobody tells any more is forgotten: the backend counts as up.
func TestUnknownIsUp(t *testing.T) {
	c := newCluster(t, "n1")
	web := c.backends("web", "10.0.0.1:80")
	id := c.nodes["n1"].services[web][0].Target
	n := NewBook("n9", nil) // a node that is to check nothing
	n.Meet([]string{"n1"}, c.now)
	n.Hear([]Word{{id, true, 7}}, c.now) // before it knows the target
	n.Take(c.snap, config.Changes{All: true}, c.now)
	if sick, _ := n.Down().Get(web); len(sick.Addrs()) != 1 {
		t.Fatal("a word heard before the Service is not believed")
	}
	n.Hear([]Word{{id, false, 6}}, c.now)
	n.Lapse(c.now.Add(wordLasts - 1))
	if sick, _ := n.Down().Get(web); len(sick.Addrs()) != 1 {
		t.Error("an older word, or no time, changes what is known")
	}
	n.Lapse(c.now.Add(wordLasts))
	if n.Down().Len() != 0 {
		t.Error("a word that nobody tells is believed for ever")
	}
}

// Two nodes that both take a target for theirs agree in the end on what the one
// that is right to do so finds.
func TestContradiction(t *testing.T) {
	c := newCluster(t, "n1", "n2")
	web := c.backends("web", "10.0.0.1:80")
	c.pass(5 * time.Second)
	for _, n := range c.nodes { // a word of somebody who changed his mind more often
		n.Hear([]Word{{n.services[web][0].Target, true, 1000}}, c.now)
	}
	c.pass(2 * TellEvery)
	c.expect("told otherwise by its checker", web, "")
}

// Services share the check of a backend that both have, and leave it singly.
func TestSharedTarget(t *testing.T) {
	c := newCluster(t, "n1")
	a, b := c.backends("a", "10.0.0.1:80", "10.0.0.2:80"), c.backends("b", "10.0.0.1:80")
	c.sick[netip.MustParseAddrPort("10.0.0.1:80")] = true
	c.pass(5 * time.Second)
	c.expect("shared", a, "10.0.0.1:80")
	c.expect("shared", b, "10.0.0.1:80")
	if got := fmt.Sprint(c.nodes["n1"].States()); got != "[{default/a 10.0.0.1:80 true} {default/a 10.0.0.2:80 false} {default/b 10.0.0.1:80 true}]" {
		t.Errorf("states: %s", got)
	}
	c.backends("a", "10.0.0.2:80")
	c.expect("one leaves it", a, "")
	c.expect("one leaves it", b, "10.0.0.1:80")
	c.backends("b")
	if n := c.nodes["n1"]; len(n.entries) != 1 || len(n.Mine()) != 1 || n.Down().Len() != 0 {
		t.Errorf("left over: %v, down %d", n.entries, n.Down().Len())
	}
}

// Each node has its share, and a death moves the targets of the dead only.
func TestOwners(t *testing.T) {
	nodes := []checker{newChecker("n1"), newChecker("n2"), newChecker("n3"), newChecker("n4")}
	count, moved := map[string]int{}, 0
	for i := range 4000 {
		id := target(i).ID()
		owner := ownerOf(nodes, id)
		count[owner]++
		if after := ownerOf(nodes[1:], id); owner != "n1" && after != owner {
			moved++
		}
	}
	for _, n := range nodes {
		if count[n.name] < 800 || count[n.name] > 1200 {
			t.Errorf("%s checks %d of 4000", n.name, count[n.name])
		}
	}
	if moved > 0 {
		t.Errorf("%d targets of the living move", moved)
	}
	if ownerOf(nil, 1) != "" {
		t.Error("somebody checks where nobody is")
	}
}
