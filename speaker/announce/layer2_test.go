package announce

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func TestOwner(t *testing.T) {
	tests := []struct {
		name  string
		setup func(w *world)
		want  string // the one owner, "" if there must be none
	}{
		{"recorded owner stays", func(w *world) { w.record(addr4, "n3") }, "n3"},
		{"dead owner is replaced", func(w *world) { w.record(addr4, "n3"); w.member("n3").Alive = false; only(w, "n2") }, "n2"},
		{"owner unknown to the API is replaced", func(w *world) { w.record(addr4, "gone"); only(w, "n1") }, "n1"},
		{"restarting owner stays", func(w *world) { w.record(addr4, "n3"); w.member("n3").Restarting = true }, "n3"},
		{"restarting node gets nothing new", func(w *world) {
			w.member("n1").Restarting, w.member("n2").Restarting = true, true
		}, "n3"},
		{"leaving node gets nothing new", func(w *world) { w.member("n1").Leaving, w.member("n3").Leaving = true, true }, "n2"},
		{"excluded nodes do not count", func(w *world) {
			w.nodes["n1"].Labels[config.ExcludeLabel] = ""
			w.nodes["n2"].NetworkUnavailable = true
		}, "n3"},
		{"out-of-service node loses what it has", func(w *world) {
			w.record(addr4, "n1")
			w.nodes["n1"].OutOfService = true
			only(w, "n1", "n2")
		}, "n2"},
		{"node with a broken forwarder comes last", func(w *world) {
			w.speakers["n1"] = &config.SpeakerStatus{Node: "n1", Forwarder: "nft"}
			w.speakers["n2"] = &config.SpeakerStatus{Node: "n2", Forwarder: "nft"}
		}, "n3"},
		{"local policy wants an endpoint here", func(w *world) {
			w.serve(web, []string{"n2"}, addr4).Local = true
		}, "n2"},
		{"terminating endpoints count when there is no other", func(w *world) {
			w.serve(web, []string{"n2"}, addr4).Local = true
			w.backend(web, 0).Ready, w.backend(web, 0).Terminating = false, true
		}, "n2"},
		{"terminating endpoints do not count beside ready ones", func(w *world) {
			w.serve(web, []string{"n2", "n3"}, addr4).Local = true
			w.backend(web, 0).Ready, w.backend(web, 0).Terminating = false, true
			w.record(addr4, "n2")
		}, "n3"},
		{"no endpoint, no owner", func(w *world) { w.serve(web, nil, addr4) }, ""},
		{"endpoints on a dead node do not count", func(w *world) {
			w.serve(web, []string{"n1"}, addr4)
			w.member("n1").Alive = false
		}, ""},
		{"endpoints of a node whose speaker said goodbye count", func(w *world) {
			w.serve(web, []string{"n1"}, addr4)
			w.member("n1").Alive, w.member("n1").Leaving = false, true
			only(w, "n2")
		}, "n2"},
		{"the interface of an advertisement is missing elsewhere", func(w *world) {
			w.snap.L2[0].Interfaces = []string{"lan1"}
			w.rehost("n2", link("eth0", "192.0.2.2/24"), link("lan1"))
		}, "n2"},
		{"a node on the subnet is preferred", func(w *world) {
			w.rehost("n1", link("eth0", "198.51.100.1/24"))
			w.rehost("n3", link("eth0", "198.51.100.3/24"))
			w.record(addr4, "n1")
		}, "n2"},
		{"a link that is down is none", func(w *world) {
			down := link("eth0", "192.0.2.3/24")
			down.Up = false
			w.rehost("n1", down)
			w.rehost("n3", down)
		}, "n2"},
		{"the preferred node", func(w *world) { prefer(w, 1, "n2") }, "n2"},
		{"the greater weight", func(w *world) { prefer(w, 10, "n1"); prefer(w, 11, "n3") }, "n3"},
		{"the greater sum of weights", func(w *world) {
			prefer(w, 10, "n1", "n3")
			prefer(w, 15, "n2")
			prefer(w, 6, "n3")
		}, "n3"},
		{"the next in order when the preferred is dead", func(w *world) {
			prefer(w, 100, "n1")
			prefer(w, 1, "n3")
			w.member("n1").Alive = false
		}, "n3"},
		{"a preferred node takes nothing back", func(w *world) { prefer(w, 100, "n1"); w.record(addr4, "n3") }, "n3"},
		{"with OnReturn it does", func(w *world) {
			prefer(w, 100, "n1")
			w.record(addr4, "n3")
			w.snap.L2[0].OnReturn = true
		}, "n1"},
		{"with OnReturn, but not in its first moments", func(w *world) {
			prefer(w, 100, "n1")
			w.record(addr4, "n3")
			w.snap.L2[0].OnReturn, w.member("n1").Fresh = true, true
		}, "n3"},
		{"with OnReturn, but not from a node that restarts", func(w *world) {
			prefer(w, 100, "n1")
			w.record(addr4, "n3")
			w.snap.L2[0].OnReturn, w.member("n3").Restarting = true, true
		}, "n3"},
		{"a fresh node takes over when it must", func(w *world) {
			w.record(addr4, "n3")
			w.member("n3").Alive, w.member("n2").Alive = false, false
			w.member("n1").Fresh = true
		}, "n1"},
		{"preference comes after fitness", func(w *world) { prefer(w, 100, "n1", "n2"); w.member("n1").Restarting = true }, "n2"},
		{"preference comes after the subnet", func(w *world) {
			prefer(w, 100, "n1")
			prefer(w, 1, "n2")
			w.rehost("n1", link("eth0", "198.51.100.1/24"))
		}, "n2"},
		{"requireSubnet with one node on the subnet", func(w *world) {
			w.snap.L2[0].RequireSubnet = true
			w.record(addr4, "n1")
			w.rehost("n1", link("eth0", "198.51.100.1/24"))
			w.rehost("n3", link("eth0", "198.51.100.3/24"))
		}, "n2"},
		{"requireSubnet with none", func(w *world) {
			w.snap.L2[0].RequireSubnet = true
			for _, n := range []string{"n1", "n2", "n3"} {
				w.rehost(n, link("eth0", "198.51.100.1/24"))
			}
		}, ""},
		{"requireSubnet counts permitted interfaces only", func(w *world) {
			w.snap.L2[0].RequireSubnet, w.snap.L2[0].Interfaces = true, []string{"lan1"}
			for _, n := range []string{"n1", "n3"} {
				w.rehost(n, link("eth0", "192.0.2.1/24"), link("lan1"))
			}
			w.rehost("n2", link("eth0"), link("lan1", "192.0.2.2/24"))
		}, "n2"},
		{"the wanted node takes over", func(w *world) { w.record(addr4, "n1"); w.claims[addr4].Wanted = "n2" }, "n2"},
		{"a wanted node that is dead is ignored", func(w *world) {
			w.record(addr4, "n1")
			w.claims[addr4].Wanted = "n2"
			w.member("n2").Alive = false
		}, "n1"},
		{"a wanted node that may not is ignored", func(w *world) {
			w.record(addr4, "n1")
			w.claims[addr4].Wanted = "n2"
			only(w, "n1", "n3")
		}, "n1"},
		{"a wanted node that restarts is ignored", func(w *world) {
			w.record(addr4, "n1")
			w.claims[addr4].Wanted = "n2"
			w.member("n2").Restarting = true
		}, "n1"},
		{"a wanted node that is unknown is ignored", func(w *world) { w.record(addr4, "n1"); w.claims[addr4].Wanted = "?" }, "n1"},
		{"no pool, no owner", func(w *world) { w.snap.Pools = nil }, ""},
		{"the pool is gone, the Service keeps its address", func(w *world) {
			w.services[web].AllocatedFrom = w.snap.Pools[0].Name
			w.snap.Former, w.snap.Pools = w.snap.Pools, nil
			w.record(addr4, "n2")
		}, "n2"},
		{"another class is none of ours", func(w *world) { w.services[web].Class = "other" }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(3)
			w.serve(web, []string{"n1", "n2", "n3"}, addr4)
			tt.setup(w)
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if got := w.owners(addr4); !slices.Equal(got, want) {
				t.Errorf("owners: %q, want %q", got, want)
			}
		})
	}
}

// only lets the advertisement select just these nodes.
func only(w *world, nodes ...string) {
	w.snap.L2[0].NodeSelectors = []config.Selector{named(nodes...)}
}

func named(nodes ...string) config.Selector {
	return config.Selector{Requirements: []config.Requirement{{Key: "name", Op: config.In, Values: nodes}}}
}

// prefer gives weight to these nodes.
func prefer(w *world, weight int, nodes ...string) {
	ad := w.snap.L2[0]
	ad.Preferred = append(ad.Preferred, config.Preference{Weight: weight, Node: named(nodes...)})
}

func TestLayer2Reasons(t *testing.T) {
	tests := []struct {
		name   string
		setup  func(w *world)
		reason string
	}{
		{"notOwner", func(w *world) { w.record(addr4, "n2") }, ReasonNotOwner},
		{"excluded", func(w *world) { w.nodes["n1"].Labels[config.ExcludeLabel] = "" }, ReasonExcluded},
		{"network", func(w *world) { w.nodes["n1"].NetworkUnavailable = true }, ReasonNetworkUnavailable},
		{"leaving", func(w *world) { w.member("n1").Leaving = true }, ReasonLeaving},
		{"no node object", func(w *world) { delete(w.nodes, "n1") }, ReasonNodeUnknown},
		{"no member", func(w *world) { w.members = w.members[1:] }, ReasonNoMembership},
		{"node not selected", func(w *world) { only(w, "n2") }, ReasonNoAdvertisement},
		{"no endpoints", func(w *world) { w.serve(web, nil, addr4) }, ReasonNoEndpoints},
		{"no local endpoints", func(w *world) { w.serve(web, []string{"n2"}, addr4).Local = true }, ReasonNoLocalEndpoints},
		{"no interface", func(w *world) { w.rehost("n1") }, ReasonNoInterface},
		{"not on the subnet", func(w *world) {
			w.snap.L2[0].RequireSubnet = true
			w.rehost("n1", link("eth0", "198.51.100.1/24"))
		}, ReasonNoSubnet},
		{"forwarder", func(w *world) { w.record(addr4, "n1"); w.forward["n1"] = Forwarding{} }, ReasonForwarderNotReady},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(2)
			w.serve(web, []string{"n1", "n2"}, addr4)
			tt.setup(w)
			p := w.decide("n1")
			if got := p.reason(web, Layer2); got != tt.reason {
				t.Errorf("reason %q, want %q: %+v", got, tt.reason, p.Silences())
			}
			if c, ok := p.claim(addr4); ok {
				t.Errorf("silent and claimed: %+v", c)
			}
		})
	}
}

func TestNotOwnerNamesTheOwner(t *testing.T) {
	w := newWorld(2)
	w.serve(web, []string{"n1"}, addr4)
	w.record(addr4, "n2")
	if s := w.decide("n1").Silences(); len(s) != 1 || !strings.Contains(s[0].Message, "n2") {
		t.Errorf("silences %+v must name n2", s)
	}
}

func TestSilentForBothProtocols(t *testing.T) {
	w := newWorld(1)
	none := config.Key{Namespace: "default", Name: "none"}
	w.serve(none, nil)
	w.serve(web, []string{"n1"}, netip.MustParseAddr("203.0.113.1"))
	p := w.decide("n1")
	if got := p.reason(none, ""); got != ReasonNoAddress {
		t.Errorf("without address: %q", got)
	}
	if got := p.reason(web, ""); got != ReasonNotAllowed {
		t.Errorf("outside our pools: %q", got)
	}
	w.serve(web, []string{"n1"}, addr4)
	w.snap.L2 = nil
	if got := w.decide("n1").reason(web, ""); got != ReasonNoAdvertisement {
		t.Errorf("without advertisement: %q", got)
	}
}

func TestClaimFields(t *testing.T) {
	w := newWorld(2)
	other := config.Key{Namespace: "default", Name: "other"}
	w.serve(web, []string{"n1"}, addr4)
	w.serve(other, []string{"n1"}, addr4)
	only(w, "n1")
	w.record(addr4, "n2")
	w.rehost("n1", link("eth0", "192.0.2.1/24"), link("eth1", "198.51.100.1/24"))
	c, _ := w.decide("n1").claim(addr4)
	want := Claim{Addr: addr4, Links: []string{"eth0"}, Services: []config.Key{other, web}, Previous: "n2", Epoch: 7}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("taking over:\n got %+v\nwant %+v", c, want)
	}
	w.record(addr4, "n1")
	if c, _ := w.decide("n1").claim(addr4); !c.Held || c.Previous != "" {
		t.Errorf("held: %+v", c)
	}
	w.rehost("n1", link("eth1", "198.51.100.1/24"))
	if c, _ := w.decide("n1").claim(addr4); !c.OffLink || !slices.Equal(c.Links, []string{"eth1"}) {
		t.Errorf("off the subnet: %+v", c)
	}
}

// A planned move: the old owner goes on until the record names the new one.
func TestYield(t *testing.T) {
	w := newWorld(2)
	w.serve(web, []string{"n1", "n2"}, addr4)
	w.record(addr4, "n1")
	w.member("n1").Leaving = true
	if c, _ := w.decide("n1").claim(addr4); !c.Held || !c.Yielding || len(c.Links) == 0 {
		t.Errorf("leaving owner before the successor claimed: %+v", c)
	}
	if c, _ := w.decide("n2").claim(addr4); c.Held || c.Previous != "n1" {
		t.Errorf("successor: %+v", c)
	}
	w.record(addr4, "n2")
	if c, ok := w.decide("n1").claim(addr4); ok {
		t.Errorf("old owner after the successor claimed: %+v", c)
	}
	w.record(addr4, "n1")
	w.member("n2").Alive = false
	if c, ok := w.decide("n1").claim(addr4); ok {
		t.Errorf("leaving with nobody to take over: %+v", c)
	}
}

// A move that is wished for is one without a gap: the owner goes on until the
// wanted node has written its claim.
func TestWantedYield(t *testing.T) {
	w := newWorld(2)
	w.serve(web, []string{"n1"}, addr4)
	w.record(addr4, "n1")
	w.claims[addr4].Wanted = "n2"
	if c, ok := w.decide("n1").claim(addr4); !ok || !c.Yielding {
		t.Errorf("owner: %+v", c)
	}
	if c, ok := w.decide("n2").claim(addr4); !ok || c.Held || c.Previous != "n1" {
		t.Errorf("wanted: %+v", c)
	}
	w.forward["n2"] = Forwarding{}
	if c, ok := w.decide("n2").claim(addr4); ok {
		t.Errorf("wanted before its forwarder is ready: %+v", c)
	}
	if c, ok := w.decide("n1").claim(addr4); !ok || !c.Yielding {
		t.Errorf("owner, who cannot know that: %+v", c)
	}
}

// requireSubnet keeps an address off the other interfaces; an owner that loses
// the right to it answers where it did until somebody else does.
func TestRequireSubnetLinks(t *testing.T) {
	w := newWorld(2)
	w.serve(web, []string{"n1"}, addr4)
	w.record(addr4, "n1")
	w.snap.L2[0].Interfaces, w.snap.L2[0].RequireSubnet = []string{"eth0", "eth1"}, true
	w.rehost("n1", link("eth0", "192.0.2.1/24"), link("eth1", "198.51.100.1/24"))
	if c, _ := w.decide("n1").claim(addr4); !slices.Equal(c.Links, []string{"eth0"}) || c.OffLink {
		t.Errorf("claim %+v", c)
	}
	w.rehost("n1", link("eth1", "198.51.100.1/24"))
	if c, _ := w.decide("n1").claim(addr4); !slices.Equal(c.Links, []string{"eth1"}) || !c.Yielding {
		t.Errorf("yielding: %+v", c)
	}
}

func TestRefreshIsTheShortest(t *testing.T) {
	w := newWorld(1)
	w.serve(web, []string{"n1"}, addr4)
	w.snap.L2 = []*config.L2Advertisement{{Name: "a"}, {Name: "b", Refresh: 2 * time.Minute}, {Name: "c", Refresh: time.Minute}}
	if c, _ := w.decide("n1").claim(addr4); c.Refresh != time.Minute {
		t.Errorf("refresh %v", c.Refresh)
	}
	w.snap.L2 = w.snap.L2[:1]
	if c, _ := w.decide("n1").claim(addr4); c.Refresh != 0 {
		t.Errorf("refresh %v", c.Refresh)
	}
}

// What the API does not show is told by the node that knows, and by one only.
func TestExceptions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(w *world)
		want  map[string]string // node → reason
	}{
		{"all is well", func(*world) {}, nil},
		{"no endpoint", func(w *world) { w.serve(web, nil, addr4) }, map[string]string{"n1": ReasonNoEndpoints}},
		{"no endpoint, and the first node is dead", func(w *world) { w.serve(web, nil, addr4); w.member("n1").Alive = false },
			map[string]string{"n2": ReasonNoEndpoints}},
		{"no endpoint any more", func(w *world) { w.serve(web, nil, addr4); w.record(addr4, "n2") },
			map[string]string{"n1": ReasonNoEndpoints, "n2": ReasonNoEndpoints}},
		{"the owner's forwarder", func(w *world) { w.record(addr4, "n2"); w.forward["n2"] = Forwarding{} },
			map[string]string{"n2": ReasonForwarderNotReady}},
		{"no node could", func(w *world) { w.snap.L2[0].Interfaces = []string{"lan7"} }, map[string]string{"n1": ReasonNoInterface}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(3)
			w.snap.BGP = []*config.BGPAdvertisement{{Name: "all"}} // has reasons of its own, which do not count twice
			w.serve(web, []string{"n1"}, addr4)
			tt.setup(w)
			for _, m := range w.members {
				p := w.decide(m.Node)
				if !m.Alive {
					continue
				}
				var got string
				if len(p.Exceptions) > 0 {
					got = p.Exceptions[0].Reason
				}
				if got != tt.want[m.Node] || len(p.Exceptions) > 1 {
					t.Errorf("%s: %+v, want %q", m.Node, p.Exceptions, tt.want[m.Node])
				}
			}
		})
	}
}

// A speaker that just started and knows only itself takes nothing from an
// owner it has not met yet, and goes on with what is its own.
func TestJoiningTakesNothing(t *testing.T) {
	w := newWorld(2)
	w.serve(web, []string{"n1"}, addr4)
	w.record(addr4, "n2")
	w.members = w.members[:1]
	w.members[0].Joining = true
	p := w.decide("n1")
	if c, ok := p.claim(addr4); ok || p.reason(web, Layer2) != ReasonNoMembership {
		t.Errorf("took %+v; %+v", c, p.Silences())
	}
	w.record(addr4, "n1")
	if c, ok := w.decide("n1").claim(addr4); !ok || !c.Held {
		t.Errorf("own address: %+v", c)
	}
}

// Services that share an address are announced from one node that has
// endpoints for all of them.
func TestSharedAddressMovesTogether(t *testing.T) {
	w := newWorld(3)
	dns := config.Key{Namespace: "default", Name: "dns"}
	w.serve(web, []string{"n1", "n2"}, addr4).Local = true
	w.serve(dns, []string{"n2", "n3"}, addr4).Local = true
	if got := w.owners(addr4); !slices.Equal(got, []string{"n2"}) {
		t.Errorf("owners %q", got)
	}
	w.serve(dns, []string{"n3"}, addr4).Local = true // no node has both: the first Service, dns, decides
	if got := w.owners(addr4); !slices.Equal(got, []string{"n3"}) {
		t.Errorf("owners without a common node %q", got)
	}
	w.serve(dns, nil, addr4) // a Service without endpoints holds nobody back
	w.record(addr4, "n1")
	p := w.decide("n1")
	c, _ := p.claim(addr4)
	if !slices.Equal(c.Services, []config.Key{web}) || p.reason(dns, Layer2) != ReasonNoEndpoints {
		t.Errorf("claim %+v, silences %+v", c, p.Silences())
	}
}

func TestUsableLinks(t *testing.T) {
	bridged, bridge, vrfed, vrf, tun := link("eth1"), link("br0", "192.0.2.1/24"), link("eth2"), link("red"), link("wg0")
	bridged.Master, bridge.Kind, vrfed.Master, vrf.Kind, tun.MAC = "br0", "bridge", "red", "vrf", nil
	excluded, err := ParseLinkPatterns(DefaultExcludedLinks)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range UsableLinks(hostWith(bridged, bridge, vrfed, tun, link("veth12"), link("cali7")), excluded) {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"br0"}) && !slices.Equal(names, []string{"br0", "eth2"}) {
		t.Errorf("usable %q", names)
	}
	got := UsableLinks(hostWith(vrfed, vrf), excluded)
	if len(got) != 2 || got[0].Name != "eth2" {
		t.Errorf("a VRF's member keeps its own layer 2: %+v", got)
	}
	if _, err := ParseLinkPatterns([]string{"("}); err == nil {
		t.Error("a broken pattern must be refused")
	}
}
