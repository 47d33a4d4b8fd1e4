package controller

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func pool(name string, ranges ...string) *config.Pool {
	p := &config.Pool{Name: name, AutoAssign: true}
	for _, r := range ranges {
		from, to, _ := strings.Cut(r, "-")
		p.Ranges = append(p.Ranges, config.Range{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)})
	}
	return p
}

func service(name string, edits ...func(*config.Service)) *config.Service {
	s := &config.Service{
		Key: config.Key{Namespace: "t", Name: name}, UID: "uid-" + name, Created: time.Unix(int64(name[0]), 0),
		Type: config.LoadBalancer, Families: []config.Family{config.IPv4}, FamilyPolicy: config.SingleStack,
		Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func dual(s *config.Service) {
	s.FamilyPolicy, s.Families = config.PreferDualStack, []config.Family{config.IPv6, config.IPv4}
}

func class(name string) func(*config.Service) { return func(s *config.Service) { s.Class = name } }

func shows(from string, addrs ...string) func(*config.Service) {
	return func(s *config.Service) {
		s.AllocatedFrom, s.Addrs = from, nil
		for _, a := range addrs {
			s.Addrs = append(s.Addrs, netip.MustParseAddr(a))
		}
	}
}

func expect(t *testing.T, c *cluster, writes, events []string) {
	t.Helper()
	gotW, gotE := c.drain()
	if !slices.Equal(gotW, writes) {
		t.Errorf("written:\n  %s\nwant:\n  %s", strings.Join(gotW, "\n  "), strings.Join(writes, "\n  "))
	}
	if len(gotE) != len(events) {
		t.Errorf("events:\n  %s\nwant:\n  %s", strings.Join(gotE, "\n  "), strings.Join(events, "\n  "))
		return
	}
	for i := range events { // an expected event is the beginning of the real one
		if !strings.HasPrefix(gotE[i], events[i]) {
			t.Errorf("event %q, want %q", gotE[i], events[i])
		}
	}
}

var public = pool("public", "192.0.2.10-192.0.2.11", "2001:db8::10-2001:db8::11")

// TestStory walks Services through their lives and reads what is written.
func TestStory(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.set(service("a"))
	c.set(service("b", dual))
	l.run()
	expect(t, c,
		[]string{"service a 192.0.2.10 VIP public true/Allocated", "service b 2001:db8::10,192.0.2.11 VIP public true/Allocated"},
		[]string{`a Normal IPAllocated: Assigned IP ["192.0.2.10"]`, `b Normal IPAllocated: Assigned IP ["2001:db8::10" "192.0.2.11"]`})

	l.run()
	expect(t, c, nil, nil) // a decision repeated is silent

	c.set(service("c"))
	l.run()
	expect(t, c, []string{"service c    false/PoolExhausted"},
		[]string{"c Warning AllocationFailed: PoolExhausted: no free IPv4 address: pool public: 0 of 2"})

	c.set(service("d", class("other"), shows("", "198.51.100.1")))
	c.set(service("e", class("other")))
	l.run()
	expect(t, c, nil, nil) // another class: silence

	c.edit("a", func(s *config.Service) { s.Type = config.ClusterIP })
	l.run()
	expect(t, c, []string{"service a   ", "service c 192.0.2.10 VIP public true/Allocated"},
		[]string{"a Normal ClearAssignment: 192.0.2.10 is taken back: the Service is no longer ours", "c Normal IPAllocated"})

	c.remove("b")
	c.set(service("f", dual))
	l.run()
	expect(t, c, []string{"service f 2001:db8::10,192.0.2.11 VIP public true/Allocated"}, []string{"f Normal IPAllocated"})
}

func TestSecondFamilyComesLater(t *testing.T) {
	c := newCluster(pool("four", "192.0.2.1-192.0.2.9"))
	l := newLeader(c, Options{})
	c.set(service("a", dual))
	l.run()
	expect(t, c, []string{"service a 192.0.2.1 VIP four true/Allocated"},
		[]string{"a Normal AdditionalAssignFailed: FamilyUnavailable: no IPv6", "a Normal IPAllocated"})
	c.setPools(pool("four", "192.0.2.1-192.0.2.9"), pool("six", "2001:db8::1-2001:db8::9"))
	l.run()
	expect(t, c, []string{"service a 2001:db8::1,192.0.2.1 VIP six,four true/Allocated"},
		[]string{`a Normal IPAllocated: Assigned IP ["2001:db8::1"]`})
}

func TestPoolGoneKeepsTheAddress(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.set(service("a"))
	l.run()
	c.drain()
	c.setPools(pool("other", "198.51.100.1-198.51.100.9"))
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Bound", "service a 192.0.2.10 VIP public true/PoolGone"},
		[]string{"a Warning PoolGone: 192.0.2.10 is kept, but pool public no longer holds it; put it back"})
	if text := c.get("a").Conditions[0].Message; !strings.Contains(text, "ask for another pool") {
		t.Errorf("the condition does not say what to do: %q", text)
	}
	newLeader(c, Options{}).run()
	expect(t, c, nil, nil) // a new leader keeps it as well, and says nothing new
	c.edit("a", func(s *config.Service) { s.Want.Pool = "other" })
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 deleted", "service a 198.51.100.1 VIP other true/Allocated"},
		[]string{`a Normal ClearAssignment: 192.0.2.10 is taken back: the Service asks for pool "other"`, "a Normal IPAllocated"})
}

// TestLeaderChange: everything that the API shows stays as it is.
func TestLeaderChange(t *testing.T) {
	c := newCluster(public)
	c.set(service("z"))
	newLeader(c, Options{}).run() // the youngest is served first …
	for _, s := range []*config.Service{service("a"), service("b", dual), service("c")} {
		c.set(s)
	}
	newLeader(c, Options{}).run() // … and keeps what it has
	c.drain()
	for range 3 {
		newLeader(c, Options{}).run()
		expect(t, c, nil, nil)
	}
	if got := c.get("z").Addrs[0].String(); got != "192.0.2.10" {
		t.Errorf("z has %s", got)
	}
}

func TestForeignStatusIsLeftAlone(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.set(service("a", shows("", "203.0.113.7")))
	l.run()
	expect(t, c, nil, []string{"a Warning AllocationFailed: the status shows [203.0.113.7], which Steelyard did not give"})
	c.edit("a", func(s *config.Service) { s.Labels = map[string]string{"x": "y"} })
	l.run()
	expect(t, c, nil, nil) // told once
	c.edit("a", func(s *config.Service) { s.Addrs = nil })
	l.run()
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
}

func TestTwoServicesWithOneAddress(t *testing.T) {
	c := newCluster(public)
	c.set(service("b", shows("public", "192.0.2.10")))
	c.set(service("a", shows("public", "192.0.2.10")))
	newLeader(c, Options{}).run()
	expect(t, c,
		[]string{"service a 192.0.2.10 VIP public true/Allocated", "service b 192.0.2.11 VIP public true/Allocated"},
		[]string{"b Normal ClearAssignment: 192.0.2.10 is taken back: it belongs to t/a", "b Normal IPAllocated"})
}

func TestIngressGetsAddressesOfItsService(t *testing.T) {
	c := newCluster(public)
	web := config.Key{Namespace: "t", Name: "web"}
	c.ingress[web] = &config.Ingress{Key: web}
	l := newLeader(c, Options{IngressService: config.Key{Namespace: "t", Name: "in"}})
	l.run()
	expect(t, c, nil, nil)
	c.set(service("in", dual))
	l.run()
	expect(t, c, []string{"ingress web [2001:db8::10 192.0.2.10]", "service in 2001:db8::10,192.0.2.10 VIP public true/Allocated"},
		[]string{"in Normal IPAllocated"})
	c.remove("in")
	l.run()
	expect(t, c, []string{"ingress web []"}, nil)
}

func TestModeFollowsTheForwarders(t *testing.T) {
	c := newCluster(public)
	c.nodes["n1"] = &config.Node{Name: "n1", Ready: true}
	c.nodes["n2"] = &config.Node{Name: "n2", Ready: true}
	c.speakers["n1"] = &config.SpeakerStatus{Node: "n1", ForwarderReady: true}
	l := newLeader(c, Options{Forwarder: true})
	c.set(service("a"))
	l.run()
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
	c.speakers["n2"] = &config.SpeakerStatus{Node: "n2", ForwarderReady: true}
	l.run()
	expect(t, c, []string{"service a 192.0.2.10 Proxy public true/Allocated"}, nil)
	c.nodes["n3"] = &config.Node{Name: "n3", Ready: true}
	newLeader(c, Options{Forwarder: true}).run()
	expect(t, c, nil, nil) // a node that joins changes nothing
	newLeader(c, Options{}).run()
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, nil)
}
