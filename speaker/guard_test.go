package speaker

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

var torAddr = netip.MustParseAddr("192.0.2.254")

func fast() *config.BFDProfile {
	return &config.BFDProfile{Name: "fast", Transmit: 50 * time.Millisecond, Receive: 60 * time.Millisecond, Multiplier: 3, MinTTL: 250}
}

// watched is a peer whose router is watched.
func watched(name string, addr netip.Addr, changes ...func(*config.Peer)) *config.Peer {
	p := &config.Peer{Name: name, MyASN: 64512, PeerASN: 64500, Addr: addr, BFD: fast()}
	for _, change := range changes {
		change(p)
	}
	return p
}

// peers makes list the BGPPeers.
func (r *rig) peers(list ...*config.Peer) {
	r.next.Peers = list
	r.publish(config.Changes{Config: true})
}

// finds is a change of a BFD session to addr, and its state after it.
func (r *rig) finds(addr netip.Addr, c bfd.Change) {
	c.Path = bfd.Path{Peer: addr}
	c.At = time.Now()
	r.bfd.Put(bfd.Update{Changes: []bfd.Change{c},
		Statuses: []bfd.Status{{Path: c.Path, Status: session.Status{State: c.To, Since: c.At}}}})
	r.pass(time.Millisecond)
}

var (
	comesUp = bfd.Change{From: packet.Init, To: packet.Up, Remote: packet.Up}
	goesOut = bfd.Change{From: packet.Up, To: packet.Down, Remote: packet.Down, Diag: packet.DetectionExpired}
)

// drops are the sessions that were made to fall.
func (r *rig) drops() (out []string) {
	for _, line := range r.lines() {
		if text, ok := strings.CutPrefix(line, "routers drop "); ok {
			out = append(out, text)
		}
	}
	return out
}

func TestLostRouterLosesItsSession(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.states = []bgp.SessionState{{Peer: "tor", State: "Established"}, {Peer: "twin", State: "Established"}, {Peer: "other", State: "Established"}}
		other := watched("other", netip.MustParseAddr("192.0.2.253"))
		other.BFD = nil
		r.next.Peers = []*config.Peer{watched("tor", torAddr), watched("twin", torAddr), other}
		r.run()
		if got := r.shows("bfd"); got != "192.0.2.254 50ms/60ms×3" {
			t.Errorf("watched: %q", got)
		}
		r.finds(torAddr, comesUp)
		r.pass(2 * time.Second)
		got := r.reports[len(r.reports)-1].Sessions
		if got[0].BFD.State != "Up" || got[0].BFD.Since.IsZero() || got[2].BFD != (config.BFDReport{}) {
			t.Errorf("reported: %+v", got)
		}
		r.finds(torAddr, goesOut)
		want := []string{"tor: bfd, BFD: control detection time expired", "twin: bfd, BFD: control detection time expired"}
		if drops := r.drops(); !slices.Equal(drops, want) {
			t.Errorf("dropped: %q", drops)
		}
		if r.logged("router lost") != 2 {
			t.Errorf("logged:\n%s", r.logs)
		}
		events := []string{
			`steelyard-system/tor BFDDown: node "n1" has lost router 192.0.2.254, BFD: control detection time expired`,
			`steelyard-system/twin BFDDown: node "n1" has lost router 192.0.2.254, BFD: control detection time expired`,
		}
		if !slices.Equal(r.events, events) {
			t.Errorf("events: %q", r.events)
		}
		r.pass(2 * time.Second)
		if got := r.reports[len(r.reports)-1].Sessions; got[0].BFD.State != "Down" {
			t.Errorf("reported: %+v", got)
		}
		r.stop()
	})
}

// What is measured is told once it is steady, and again when it is another.
func TestMeasuredIntervalIsToldWhenItIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := bfd.Status{Status: session.Status{State: packet.Up, Since: time.Now(), Detection: 300 * time.Millisecond}}
		var told config.BFDReport
		for _, step := range []struct {
			after     time.Duration
			gap, want time.Duration
		}{
			{0, 900 * time.Millisecond, 0},
			{measureAfter, 87400 * time.Microsecond, 87 * time.Millisecond},
			{time.Second, 93 * time.Millisecond, 87 * time.Millisecond},
			{time.Second, 79 * time.Millisecond, 87 * time.Millisecond},
			{time.Second, 99 * time.Millisecond, 99 * time.Millisecond},
		} {
			time.Sleep(step.after)
			up.Gap = step.gap
			told = reportOf(up, told)
			if told.Interval != step.want || told.Detection != up.Detection {
				t.Errorf("measured %v: told %+v, want %v", step.gap, told, step.want)
			}
		}
		down := bfd.Status{Status: session.Status{State: packet.Down, Since: time.Now()}, Gap: up.Gap}
		if got := reportOf(down, told); got != (config.BFDReport{State: "Down", Since: down.Since}) {
			t.Errorf("down: %+v", got)
		}
	})
}

// Only what was up can be lost, and not by an operator's hand.
func TestNotEveryDownIsALoss(t *testing.T) {
	for name, c := range map[string]bfd.Change{
		"switched off there": {From: packet.Up, To: packet.Down, Diag: packet.NeighborDown, Remote: packet.AdminDown, RemoteDiag: packet.AdminDowned},
		"switched off here":  {From: packet.Up, To: packet.AdminDown, Diag: packet.AdminDowned},
		"never up":           {From: packet.Init, To: packet.Down, Diag: packet.DetectionExpired},
	} {
		story(t, 1, func(r *rig) {
			r.next.Peers = []*config.Peer{watched("tor", torAddr)}
			r.run()
			r.finds(torAddr, comesUp)
			r.finds(torAddr, c)
			r.finds(netip.MustParseAddr("192.0.2.77"), goesOut) // nobody's router
			if drops := r.drops(); len(drops) != 0 {
				t.Errorf("%s: dropped %q", name, drops)
			}
			r.finds(torAddr, bfd.Change{From: packet.Up, To: packet.Down, Remote: packet.Down, Diag: packet.NeighborDown, RemoteDiag: packet.DetectionExpired})
			want := []string{"tor: bfd, BFD: neighbor signaled session down: control detection time expired"}
			if drops := r.drops(); !slices.Equal(drops, want) {
				t.Errorf("%s: dropped %q", name, drops)
			}
			r.stop()
		})
	}
}

func TestWatchFollowsThePeers(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.next.Peers = []*config.Peer{watched("tor", torAddr)}
		r.run()
		slow := watched("tor", torAddr)
		slow.BFD = &config.BFDProfile{Name: "fast", Transmit: time.Second, Receive: time.Second, Multiplier: 5}
		r.peers(slow)
		r.pass(time.Second)
		if got := r.shows("bfd"); got != "192.0.2.254 1s/1s×5" {
			t.Errorf("another profile: %q", got)
		}

		// the peer goes: BFD stays until the session has taken its leave
		r.set(func() { r.states = []bgp.SessionState{{Peer: "tor", State: "Established"}} })
		r.peers()
		r.pass(time.Second)
		if got := r.shows("bfd"); got != "192.0.2.254 1s/1s×5" {
			t.Errorf("leaving: %q", got)
		}
		r.set(func() { r.states = nil })
		r.changed <- struct{}{}
		r.pass(time.Second)
		if got := r.shows("bfd"); got != "" {
			t.Errorf("left: %q", got)
		}

		// the profile goes, and the session stays
		r.set(func() { r.states = []bgp.SessionState{{Peer: "tor", State: "Established"}} })
		r.peers(slow)
		r.pass(time.Second)
		plain := watched("tor", torAddr)
		plain.BFD = nil
		r.peers(plain)
		r.pass(time.Second)
		if got := r.shows("bfd"); got != "" {
			t.Errorf("not asked for: %q", got)
		}
		r.stop()
	})
}

// One hop and several are different sessions, on other ports.
func TestHopsToTheRouter(t *testing.T) {
	far := netip.MustParseAddr("198.51.100.1")
	inside := func(p *config.Peer) { p.PeerASN = p.MyASN }
	story(t, 1, func(r *rig) {
		r.next.Peers = []*config.Peer{
			watched("a", torAddr, inside), watched("b", far, inside),
			watched("c", netip.MustParseAddr("192.0.2.252"), func(p *config.Peer) { p.MultiHop = true }),
			watched("d", netip.MustParseAddr("192.0.2.251"), func(p *config.Peer) { p.Hops = 2 }),
			watched("e", netip.MustParseAddr("192.0.2.250"), func(p *config.Peer) { p.Hops, p.Source = 1, netip.MustParseAddr("192.0.2.1") }),
		}
		r.run()
		want := "192.0.2.254 50ms/60ms×3, 198.51.100.1 multihop 50ms/60ms×3, 192.0.2.252 multihop 50ms/60ms×3, " +
			"192.0.2.251 multihop 50ms/60ms×3, 192.0.2.250 from 192.0.2.1 50ms/60ms×3"
		if got := r.shows("bfd"); got != want {
			t.Errorf("watched: %q", got)
		}
		// a link that loses its addresses moves no router further away
		r.hosts.Put(host.State{Links: []host.Link{{Name: "eth0", Index: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}})
		r.pass(time.Second)
		if got := r.shows("bfd"); got != want {
			t.Errorf("with the link down: %q", got)
		}
		r.stop()
	})
}

// What keeps BFD from working is told.
func TestBlindGuardComplains(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.next.Peers = []*config.Peer{watched("tor", torAddr)}
		r.run()
		r.bfd.Put(bfd.Update{Problem: "it is away", Statuses: []bfd.Status{{Path: bfd.Path{Peer: torAddr}, Problem: "port in use"}}})
		r.pass(2 * time.Second)
		want := []string{"BFD: it is away", "BGPPeer tor: BFD with 192.0.2.254: port in use"}
		if got := r.reports[len(r.reports)-1].Problems; !slices.Equal(got, want) {
			t.Errorf("problems: %q", got)
		}
		r.stop()
	})
}

// A BFD process that is away is no lost router: the session stays, its state is
// unknown, and the log tells of the end and of the return, once each.
func TestSilentBFDIsNoLoss(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.states = []bgp.SessionState{{Peer: "tor", State: "Established"}}
		r.next.Peers = []*config.Peer{watched("tor", torAddr)}
		r.run()
		r.finds(torAddr, comesUp)
		began := time.Now()
		for _, why := range []string{"it has gone", "it cannot be reached"} {
			r.bfd.Put(bfd.Update{Problem: why})
			r.pass(2 * time.Second)
			report := r.reports[len(r.reports)-1]
			if got := report.Sessions[0].BFD; got.State != "Unknown" || !got.Since.Equal(began) {
				t.Errorf("reported: %+v", got)
			}
			if !slices.Equal(report.Problems, []string{"BFD: " + why}) {
				t.Errorf("problems: %q", report.Problems)
			}
		}
		r.finds(torAddr, comesUp)
		r.pass(2 * time.Second)
		if got := r.reports[len(r.reports)-1]; got.Sessions[0].BFD.State != "Up" || len(got.Problems) > 0 {
			t.Errorf("reported: %+v", got)
		}
		if drops := r.drops(); len(drops) > 0 || len(r.events) > 0 {
			t.Errorf("dropped %q, told %q", drops, r.events)
		}
		if r.logged("not watched by BFD, sessions stay") != 1 || r.logged("BFD is back") != 1 {
			t.Errorf("logged:\n%s", r.logs)
		}
		r.stop()
	})
}

// Sessions that an earlier life left in the BFD process stay until it is known
// what is wanted, and go if it is nothing.
func TestFirstWatchCountsEvenIfEmpty(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.changed <- struct{}{}
		r.run()
		if r.watches != 1 {
			t.Errorf("applied %d times", r.watches)
		}
		r.stop()
	})
}

func TestSessionCarriesTheProfile(t *testing.T) {
	g := newGuard(nil, Parts{})
	p := watched("tor", torAddr)
	p.BFD.Passive = true
	got := g.sessionTo(p, p.Addr, host.State{})
	if !got.Passive || got.MinTTL != 0 || got.Independent {
		t.Errorf("over one hop: %+v", got)
	}
	p.MultiHop = true
	if got = g.sessionTo(p, p.Addr, host.State{}); !got.Passive || got.MinTTL != 250 {
		t.Errorf("over several: %+v", got)
	}
}

// Whatever a profile may say is what the engine takes.
func TestSessionsAreValid(t *testing.T) {
	g := newGuard(nil, Parts{})
	for _, p := range []*config.Peer{
		watched("a", torAddr), watched("b", netip.MustParseAddr("fe80::1%eth0")),
		watched("c", torAddr, func(p *config.Peer) { p.MultiHop, p.BFD.Multiplier = true, 255 }),
		watched("d", torAddr, func(p *config.Peer) { p.PeerASN, p.BFD.Passive = p.MyASN, true }),
	} {
		if err := g.sessionTo(p, p.Addr, host.State{}).Check(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
