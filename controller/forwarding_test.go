package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func TestForwardingCondition(t *testing.T) {
	broken := func(s *stage, nodes ...string) {
		for _, n := range nodes {
			*s.speakers[n] = config.SpeakerStatus{Node: n, Forwarder: "nft", ForwarderMessage: "no space left"}
		}
	}
	for _, c := range []struct {
		name  string
		setup func(s *stage)
		want  string
	}{
		{"all nodes", func(*stage) {}, "true Forwarding: on every node that has a speaker"},
		{"policy Local", func(s *stage) { s.svc.Local = true }, "true Forwarding: on every node that has a speaker and an endpoint"},
		{"one node cannot", func(s *stage) { broken(s, "n2") }, "true PartlyForwarding: not on n2: no space left"},
		{"one node is told not to", func(s *stage) { *s.speakers["n2"] = config.SpeakerStatus{Forwarder: "off"} },
			"true PartlyForwarding: not on n2: its speaker runs with --forwarder=off"},
		{"one node that cannot is not Ready", func(s *stage) { broken(s, "n2"); s.nodes["n2"].Ready = false },
			"true Forwarding: on every node that has a speaker"},
		{"one node that cannot is gone", func(s *stage) { broken(s, "n2"); delete(s.nodes, "n2") },
			"true Forwarding: on every node that has a speaker"},
		{"one node has no speaker", func(s *stage) { delete(s.speakers, "n2") }, "true Forwarding: on every node that has a speaker"},
		{"no node can", func(s *stage) { broken(s, "n1", "n2", "n3") },
			"false ForwarderNotReady: on no node: n1: no space left; n2: no space left; n3: no space left"},
		{"more than are named", func(s *stage) {
			for i := range 9 {
				name := fmt.Sprint("m", i)
				s.nodes[name], s.speakers[name] = &config.Node{Name: name, Ready: true}, &config.SpeakerStatus{Forwarder: "nft", ForwarderMessage: "x"}
			}
		}, "true PartlyForwarding: not on m0: x; m1: x; m2: x; and 6 more"},
		{"no speaker", func(s *stage) { clear(s.speakers) }, "false NoSpeaker: no speaker of a node that is Ready has reported yet"},
		{"no endpoint", func(s *stage) { s.except("n1", "noEndpoints", "the Service has no ready endpoint", lan4) },
			"false NoEndpoints: the Service has no ready endpoint"},
		{"another proxy", func(s *stage) { s.svc.OtherProxy = true },
			"false OtherProxy: left to the proxy that the label service.kubernetes.io/service-proxy-name names"},
		{"an address that is not ours", func(s *stage) { s.svc.Addrs, s.snap.Pools = s.svc.Addrs[:1], nil }, "removed"},
		{"a long story", func(s *stage) { broken(s, "n2"); s.speakers["n2"].ForwarderMessage = strings.Repeat("ä", 300) },
			"true PartlyForwarding: not on n2: " + strings.Repeat("ä", 200) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage()
			for _, status := range s.speakers {
				status.ForwarderReady, status.Forwarder = true, "nft"
			}
			c.setup(s)
			if got := text(newOutlook(s.snapshot()).forwarding(s.svc)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Both conditions are one write; a node that comes changes nothing; one that
// cannot forward changes all Services, and none again when it repeats itself.
func TestForwardingIsWrittenWithAnnounced(t *testing.T) {
	c, _ := announcing(t)
	report := func(node string, ready bool) {
		c.nodes[node] = &config.Node{Name: node, Ready: true}
		c.speakers[node] = &config.SpeakerStatus{Node: node, Forwarder: "nft", ForwarderReady: ready, ForwarderMessage: "full"}
		c.changed.Nodes = append(c.changed.Nodes, node)
	}
	report("n1", true)
	l := newLeader(c, Options{Forwarder: true})
	settle := func() (words []string) {
		for range 20 {
			l.run()
			l.now = l.now.Add(noticePause)
			words = append(words, l.notices()...)
		}
		return words
	}
	c.set(service("shop"))
	c.set(service("other"))
	l.run()
	for _, name := range []string{"shop", "other"} {
		c.own(c.get(name).Addrs[0], "n1")
	}
	if got := settle(); len(got) != 2 {
		t.Errorf("writes of two new Services: %q", got)
	}
	shown := func() string { return text(c.get("shop").Condition(config.ConditionForwarding)) }
	if got := shown(); got != "true Forwarding: on every node that has a speaker" {
		t.Errorf("shown: %s", got)
	}
	report("n2", true)
	if got := settle(); len(got) != 0 {
		t.Errorf("a node that comes: %q", got)
	}
	report("n2", false)
	if got := settle(); len(got) != 2 || shown() != "true PartlyForwarding: not on n2: full" {
		t.Errorf("a node that cannot: %q, %s", got, shown())
	}
	if c.get("shop").Condition(config.ConditionAnnounced) == nil {
		t.Error("the other condition is lost")
	}
	report("n2", false)
	if got := settle(); len(got) != 0 {
		t.Errorf("the same again: %q", got)
	}
	delete(c.nodes, "n2")
	c.changed.Nodes = append(c.changed.Nodes, "n2")
	if got := settle(); len(got) != 2 || shown() != "true Forwarding: on every node that has a speaker" {
		t.Errorf("a node that goes: %q, %s", got, shown())
	}
	if _, events := c.drain(); strings.Contains(strings.Join(events, " "), "announceFailed") {
		t.Errorf("events: %q", events)
	}
	off := newLeader(c, Options{})
	off.run()
	off.now = off.now.Add(time.Minute)
	for range 3 {
		off.notices()
		off.now = off.now.Add(time.Minute)
		off.run()
	}
	if got := shown(); got != "removed" {
		t.Errorf("with the forwarder off: %s", got)
	}
}
