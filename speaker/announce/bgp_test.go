package announce

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

var (
	peer4 = &config.Peer{Name: "a", Addr: netip.MustParseAddr("192.0.2.254")}
	peer6 = &config.Peer{Name: "b", Addr: netip.MustParseAddr("2001:db8::fe")}
)

func bgpWorld() *world {
	w := newWorld(2)
	w.snap.L2 = nil
	w.snap.Peers = []*config.Peer{peer4, peer6}
	w.snap.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32, Length6: 128}}
	w.serve(web, []string{"n1", "n2"}, addr4, addr6)
	return w
}

func prefixes(s Session) (out []string) {
	for _, r := range s.Routes {
		out = append(out, r.Prefix.String())
	}
	return out
}

func TestRoutes(t *testing.T) {
	both := []string{"192.0.2.10/32", "2001:db8::10/128"}
	tests := []struct {
		name  string
		setup func(w *world)
		want  []string // on the session with peer4
	}{
		{"both families", func(*world) {}, both},
		{"no endpoints", func(w *world) { w.serve(web, nil, addr4) }, nil},
		{"local without endpoint here", func(w *world) { w.serve(web, []string{"n2"}, addr4).Local = true }, nil},
		{"cluster with endpoint elsewhere", func(w *world) { w.serve(web, []string{"n2"}, addr4) }, both[:1]},
		{"endpoint on a dead node", func(w *world) { w.serve(web, []string{"n2"}, addr4); w.member("n2").Alive = false }, nil},
		{"forwarder not ready", func(w *world) { w.forward["n1"] = Forwarding{} }, nil},
		{"forwarder ready for one", func(w *world) {
			w.forward["n1"] = Forwarding{Ready: config.TableOf(map[netip.Addr]int{addr4: 1})}
		}, both[:1]},
		{"excluded node", func(w *world) { w.nodes["n1"].Labels[config.ExcludeLabel] = "" }, nil},
		{"leaving node", func(w *world) { w.member("n1").Leaving = true }, nil},
		{"advertisement for other peers", func(w *world) { w.snap.BGP[0].Peers = []string{"b"} }, nil},
		{"advertisement for other nodes", func(w *world) {
			w.snap.BGP[0].NodeSelectors = []config.Selector{{Requirements: []config.Requirement{
				{Key: "name", Op: config.In, Values: []string{"n2"}}}}}
		}, nil},
		{"aggregate of one pool", func(w *world) { w.snap.BGP[0].Length4 = 24; w.snap.BGP[0].Pools = []string{"four"} },
			[]string{"192.0.2.0/24"}},
		{"aggregate stays while one address is up", func(w *world) {
			w.snap.BGP[0].Length4 = 24
			w.serve(web, nil, addr4)
			w.serve(config.Key{Name: "up"}, []string{"n1"}, addr4.Next())
		}, []string{"192.0.2.0/24"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := bgpWorld()
			tt.setup(w)
			p := w.decide("n1")
			if len(p.Sessions) != 2 {
				t.Fatalf("a silent node keeps its sessions: %+v", p.Sessions)
			}
			if got := prefixes(p.Sessions[0]); !slices.Equal(got, tt.want) {
				t.Errorf("routes %q, want %q; silences %+v", got, tt.want, p.Silences())
			}
			if tt.want == nil && p.reason(web, BGP) == "" && len(w.snap.BGP[0].Peers) == 0 {
				t.Errorf("silent without a reason: %+v", p.Silences())
			}
		})
	}
}

func TestMergedAttributes(t *testing.T) {
	w := bgpWorld()
	large := config.LargeCommunity{Global: 64512, Local1: 1}
	w.snap.BGP = []*config.BGPAdvertisement{
		{Name: "x", Length4: 32, Communities: []uint32{2, 1}, LocalPref: 100, PoolChoice: config.PoolChoice{Pools: []string{"four"}}},
		{Name: "y", Length4: 32, Communities: []uint32{2, 3}, Large: []config.LargeCommunity{large}, PoolChoice: config.PoolChoice{Pools: []string{"four"}}},
	}
	got := w.decide("n1").Sessions[0].Routes
	want := []Route{{Prefix: netip.MustParsePrefix("192.0.2.10/32"), LocalPref: 100,
		Communities: []uint32{1, 2, 3}, Large: []config.LargeCommunity{large}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(w.snap.BGP[0].Communities, []uint32{2, 1}) {
		t.Error("the snapshot was changed")
	}
}

func TestNextHopAndRouterID(t *testing.T) {
	w := bgpWorld()
	p := w.decide("n1")
	if hop := p.Sessions[0].Routes[1].NextHop; hop != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("IPv6 over the IPv4 session: next hop %v", hop)
	}
	if hop := p.Sessions[1].Routes[0].NextHop; hop.IsValid() {
		t.Errorf("IPv4 over the IPv6 session: next hop %v, want the session's", hop)
	}
	if id := p.Sessions[0].RouterID; id != w.nodes["n1"].Addrs[0] {
		t.Errorf("router id %v", id)
	}

	w.hosts["n1"] = hostWith(link("eth0", "192.0.2.1/24"), link("eth1", peer4.Addr.String()+"/24", "2001:db8:ffff::1/64"))
	if hop := w.decide("n1").Sessions[0].Routes[1].NextHop; hop != netip.MustParseAddr("2001:db8:ffff::1") {
		t.Errorf("IPv6 over an IPv4 session on another link: next hop %v, want the address on that link", hop)
	}

	w.nodes["n1"].Addrs = nil
	w.hosts["n1"] = hostWith(link("eth0", "192.0.2.1/24"))
	w.snap.Peers = []*config.Peer{peer4}
	p = w.decide("n1")
	if got := prefixes(p.Sessions[0]); !slices.Equal(got, []string{"192.0.2.10/32"}) || p.reason(web, BGP) != ReasonNoNextHop {
		t.Errorf("without IPv6 on the node: %q, %+v", got, p.Silences())
	}
	if id := p.Sessions[0].RouterID; !id.Is4() || !id.IsGlobalUnicast() {
		t.Errorf("derived router id %v", id)
	}
}

func TestUnheard(t *testing.T) {
	w := bgpWorld()
	w.snap.Peers = nil
	if got := w.decide("n1").reason(web, BGP); got != ReasonNoPeer {
		t.Errorf("reason %q", got)
	}
}

func TestSessionOfOneFamily(t *testing.T) {
	w := bgpWorld()
	one := *peer4
	one.OneFamily = true
	w.snap.Peers = []*config.Peer{&one}
	p := w.decide("n1")
	if got := prefixes(p.Sessions[0]); !slices.Equal(got, []string{"192.0.2.10/32"}) || p.reason(web, BGP) != ReasonNoPeer {
		t.Errorf("routes %q, silences %+v", got, p.Silences())
	}
}

// lastRoutes are those of the session with peer4, each with whether it is on its
// way out.
func lastRoutes(d Decision) map[string]bool {
	out := map[string]bool{}
	for _, r := range d.Sessions[0].Routes {
		out[r.Prefix.String()] = r.Last
	}
	return out
}

// exclude labels n1 a moment ago, or before.
func (w *world) exclude(moment bool) Input {
	w.nodes["n1"].Labels[config.ExcludeLabel] = ""
	in := w.input("n1")
	in.Draining = moment
	return in
}

// local makes web one with policy Local, whose endpoint on n1 terminates and
// serves.
func (w *world) local() *config.Backend {
	w.serve(web, []string{"n1", "n2"}, addr4).Local = true
	here := w.backend(web, 0)
	here.Ready, here.Terminating = false, true
	return here
}

func TestRoutesOnTheirWayOut(t *testing.T) {
	const host = "192.0.2.10/32"
	for _, tt := range []struct {
		name   string
		setup  func(w *world) Input
		want   map[string]bool
		reason string
	}{
		{"labelled a moment ago", func(w *world) Input { return w.exclude(true) },
			map[string]bool{host: true, "2001:db8::10/128": true}, ReasonExcluded},
		{"labelled before", func(w *world) Input { return w.exclude(false) }, map[string]bool{}, ReasonExcluded},
		{"labelled, and the label does not count", func(w *world) Input {
			in := w.exclude(true)
			in.IgnoreExcludeLabel = true
			return in
		}, map[string]bool{host: false, "2001:db8::10/128": false}, ""},
		{"labelled and out of service", func(w *world) Input {
			w.nodes["n1"].OutOfService = true
			return w.exclude(true)
		}, map[string]bool{}, ReasonOutOfService},
		{"labelled and without network", func(w *world) Input {
			w.nodes["n1"].NetworkUnavailable = true
			return w.exclude(true)
		}, map[string]bool{}, ReasonNetworkUnavailable},
		{"labelled, never forwarded", func(w *world) Input {
			w.forward["n1"] = Forwarding{}
			return w.exclude(true)
		}, map[string]bool{}, ReasonExcluded},
		{"labelled, no endpoint left", func(w *world) Input {
			w.serve(web, nil, addr4)
			return w.exclude(true)
		}, map[string]bool{}, ReasonExcluded},
		{"labelled, local endpoints elsewhere", func(w *world) Input {
			w.serve(web, []string{"n2"}, addr4).Local = true
			return w.exclude(true)
		}, map[string]bool{}, ReasonExcluded},
		{"labelled, chosen by no advertisement", func(w *world) Input {
			w.snap.BGP[0].NodeSelectors = []config.Selector{named("n2")}
			return w.exclude(true)
		}, map[string]bool{}, ReasonExcluded},
		{"local, the endpoint here terminates", func(w *world) Input {
			w.local()
			return w.input("n1")
		}, map[string]bool{host: true}, ReasonNoLocalEndpoints},
		{"local, labelled as well", func(w *world) Input {
			w.local()
			return w.exclude(true)
		}, map[string]bool{host: true}, ReasonExcluded},
		{"local, the endpoint here serves no more", func(w *world) Input {
			w.local().Serving = false
			return w.input("n1")
		}, map[string]bool{}, ReasonNoLocalEndpoints},
		{"local, every endpoint terminates", func(w *world) Input {
			w.local()
			other := w.backend(web, 1)
			other.Ready, other.Terminating = false, true
			return w.input("n1")
		}, map[string]bool{host: false}, ""},
		{"aggregate, one address of two stays", func(w *world) Input {
			w.snap.BGP[0].Length4 = 24
			w.local()
			w.serve(config.Key{Name: "up"}, []string{"n1"}, addr4.Next())
			return w.input("n1")
		}, map[string]bool{"192.0.2.0/24": false}, ReasonNoLocalEndpoints},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(tt.setup(bgpWorld()))
			if got := lastRoutes(d); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("on their way out: %v, want %v", got, tt.want)
			}
			if got := d.reason(web, BGP); got != tt.reason {
				t.Errorf("silent for %q, want %q", got, tt.reason)
			}
			for _, o := range d.Offers {
				if slices.Contains(o.Services, web) != (tt.reason == "") && o.Addr == addr4 {
					t.Errorf("offer %+v", o)
				}
			}
		})
	}
}

// What a router in a VRF is told to send to is in the VRF: beside the router, or
// at least a way in. Addresses outside, those of the Node among them, mean
// nothing there, nor do those of a VRF to a router outside.
func TestNextHopInAVRF(t *testing.T) {
	w := bgpWorld()
	red, member, outside := link("red"), link("eth1", "192.0.2.1/24", "2001:db8:1::1/64"), link("eth0", "192.0.2.1/24", "2001:db8:2::1/64")
	red.Kind, member.Master = "vrf", "red"
	inside := *peer4
	inside.VRF = "red"
	w.hosts["n1"] = hostWith(outside, member, red)
	for _, c := range []struct {
		peer *config.Peer
		want string
	}{{peer4, "2001:db8:2::1"}, {&inside, "2001:db8:1::1"}} {
		w.snap.Peers = []*config.Peer{c.peer}
		if hop := w.decide("n1").Sessions[0].Routes[1].NextHop; hop.String() != c.want {
			t.Errorf("in VRF %q: next hop %v, want %s", c.peer.VRF, hop, c.want)
		}
	}

	far := inside
	far.Addr = netip.MustParseAddr("198.18.0.1")
	w.snap.Peers = []*config.Peer{&far}
	if hop := w.decide("n1").Sessions[0].Routes[1].NextHop; hop.String() != "2001:db8:1::1" {
		t.Errorf("a router that is not beside: next hop %v, want the address in the VRF", hop)
	}

	member.Master = ""
	w.hosts["n1"] = hostWith(outside, member, red)
	w.snap.Peers = []*config.Peer{&inside}
	if p := w.decide("n1"); !slices.Equal(prefixes(p.Sessions[0]), []string{"192.0.2.10/32"}) {
		t.Errorf("without IPv6 in the VRF: %q", prefixes(p.Sessions[0]))
	}
}
