package speaker

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// home is a link of the default VRF, next to the router; red is another VRF.
var (
	home = host.Link{Name: "eth0", Index: 2, Up: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}
	red  = host.Link{Name: "red", Kind: "vrf", Index: 5, Up: true}
)

func TestPlacedSessions(t *testing.T) {
	state := host.State{Links: []host.Link{
		{Name: "blue", Kind: "vrf", Index: 6}, {Name: "eth1", Master: "red", Index: 3, Up: true}, red,
	}}
	in := func(vrf string) announce.Session {
		return announce.Session{Peer: &config.Peer{Name: "tor", Addr: torAddr, VRF: vrf}}
	}
	plan := []announce.Session{in(""), in("red"), in("green"), in("eth1"), in("blue")}
	got := placed(plan, state)
	for i, want := range []struct {
		index int
		why   string
	}{{0, ""}, {5, ""}, {0, "has no VRF green"}, {0, "eth1 is no VRF"}, {0, "blue is down"}} {
		s := got[i]
		if s.VRF != want.index || !strings.Contains(s.Missing, want.why) || s.Router().IsValid() != (want.why == "") {
			t.Errorf("in %q: device %d, router %v, missing %q", s.Peer.VRF, s.VRF, s.Router(), s.Missing)
		}
		if want.why != "" && (!strings.HasPrefix(s.Missing, "spec.vrf: ") || !strings.Contains(s.Missing, "nodeSelectors")) {
			t.Errorf("neither field nor remedy in %q", s.Missing)
		}
	}
	if plan[1].VRF != 0 {
		t.Error("the plan was changed")
	}
}

// A router in a VRF is watched there, and one address in two VRFs is two
// routers: only the one on a link of its VRF is near.
func TestRouterInAVRFIsWatchedThere(t *testing.T) {
	g := newGuard(nil, Parts{})
	inside := func(p *config.Peer) { p.PeerASN, p.MyASN = 64512, 64512 }
	for _, vrf := range []string{"", "red"} {
		p := watched("tor", torAddr, inside, func(p *config.Peer) { p.VRF = vrf })
		got := g.sessionTo(p, torAddr, host.State{Links: []host.Link{home, red}})
		if got.VRF != vrf || got.MultiHop != (vrf == "red") {
			t.Errorf("in %q: %+v", vrf, got.Path)
		}
	}
}

// A node without the VRF has no session and does not look for the router by
// BFD; when the VRF comes, both begin.
func TestSessionBeginsWhenTheVRFComes(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.next.Peers = []*config.Peer{watched("tor", torAddr, func(p *config.Peer) { p.VRF = "red" })}
		r.run()
		if got := r.shows("bfd"); got != "" {
			t.Errorf("watched without the VRF: %q", got)
		}
		r.hosts.Put(host.State{Links: []host.Link{home, red}})
		r.pass(time.Second)
		if got := r.shows("bfd"); !strings.Contains(got, "in red") {
			t.Errorf("watched with the VRF: %q", got)
		}
		r.stop()
	})
}
