package speaker

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

func TestAwaited(t *testing.T) {
	session := func(name string) announce.Session { return announce.Session{Peer: &config.Peer{Name: name}} }
	learns := func(name string) announce.Session {
		return announce.Session{Peer: &config.Peer{Name: name, ToReceive: make([]config.Received, 1)}}
	}
	sessions := []announce.Session{session("c"), session("a"), session("b"), learns("d"), learns("e")}
	states := []bgp.SessionState{
		{Peer: "a", State: "Established"}, // the End-of-RIB is yet to come
		{Peer: "b", State: "Established", Complete: true},
		{Peer: "d", State: "Established", Complete: true}, // it has not sent all
		{Peer: "e", State: "Established", Complete: true, Heard: true},
		{Peer: "of an earlier plan", State: "Connect"},
	}
	if got := awaited(sessions, states); !slices.Equal(got, []string{"a", "c", "d"}) {
		t.Errorf("awaited %q", got)
	}
}

func TestArrivalIsOnceAndBounded(t *testing.T) {
	var r arrival
	begin := time.Unix(1000, 0)
	late := begin.Add(arrivalPatience)
	if r.await([]string{"a"}, arrivalPatience, begin) || r.await([]string{"a"}, arrivalPatience, late.Add(-1)) {
		t.Error("over while a peer is waited for")
	}
	if !r.await([]string{"a"}, arrivalPatience, late) {
		t.Error("waits for a dead router for ever")
	}
	r = arrival{}
	if !r.await(nil, arrivalPatience, begin) || !r.await([]string{"a"}, arrivalPatience, begin.Add(1)) {
		t.Error("a router that falls later counts")
	}
}

// arriving is a process with two routers, before it has sessions to them.
func arriving(t *testing.T, fn func(r *rig, rises func(peers ...string))) {
	t.Helper()
	story(t, 2, func(r *rig) {
		r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
		r.next.Peers = []*config.Peer{{Name: "left", Addr: netip.MustParseAddr("192.0.2.253")}, {Name: "right", Addr: netip.MustParseAddr("192.0.2.254")}}
		r.serve(web, addr4, "n1")
		r.run()
		fn(r, func(peers ...string) {
			r.set(func() {
				r.states = nil
				for _, p := range peers {
					r.states = append(r.states, bgp.SessionState{Peer: p, State: "Established", Complete: true})
				}
			})
			r.changed <- struct{}{}
			r.pass(0)
		})
		r.stop()
	})
}

func TestReadyOnceRoutersAreTold(t *testing.T) {
	arriving(t, func(r *rig, rises func(...string)) {
		for _, step := range []struct {
			up   []string
			want string
		}{
			{nil, "waiting for BGPPeers left, right"},
			{[]string{"right"}, "waiting for BGPPeers left"},
			{[]string{"left", "right"}, "ready"},
			{nil, "ready"}, // it has been
		} {
			rises(step.up...)
			if got := r.shows("health sessions"); got != step.want {
				t.Errorf("with %q up: %q, want %q", step.up, got, step.want)
			}
		}
	})
}

func TestReadyWithoutADeadRouter(t *testing.T) {
	arriving(t, func(r *rig, rises func(...string)) {
		rises("right")
		r.pass(arrivalPatience - 2*retryAfter)
		if got := r.shows("health sessions"); got != "waiting for BGPPeers left" {
			t.Errorf("too early: %q", got)
		}
		r.pass(4 * retryAfter)
		if got := r.shows("health sessions"); got != "ready" || r.logged("ready without sessions") != 1 {
			t.Errorf("held up by a dead router: %q\n%s", got, r.logs)
		}
	})
}

// A router that was away before the process began holds it up for a moment only.
func TestReadySoonWithoutAnAbsentRouter(t *testing.T) {
	arriving(t, func(r *rig, rises func(...string)) {
		away := bgp.SessionState{Peer: "left", State: "Connect", Absent: true}
		r.set(func() { r.states = []bgp.SessionState{away} })
		r.changed <- struct{}{}
		r.pass(2 * absentPatience)
		if got := r.shows("health sessions"); got != "waiting for BGPPeers left, right" {
			t.Errorf("before a router that was there has its session: %q", got)
		}
		r.set(func() {
			r.states = []bgp.SessionState{away, {Peer: "right", State: "Established", Complete: true}}
		})
		r.changed <- struct{}{}
		r.pass(0)
		if got := r.shows("health sessions"); got != "ready" {
			t.Errorf("held up by a router that was away: %q", got)
		}
	})
}

func TestPatience(t *testing.T) {
	sessions := []announce.Session{
		{Peer: &config.Peer{Name: "away"}}, {Peer: &config.Peer{Name: "there"}}, {Peer: &config.Peer{Name: "new"}},
		{Peer: &config.Peer{Name: "used", ToReceive: make([]config.Received, 1)}}, // the kernel may have routes of it
	}
	states := []bgp.SessionState{{Peer: "away", Absent: true}, {Peer: "there"}, {Peer: "used", Absent: true}}
	for _, c := range []struct {
		peers []string
		want  time.Duration
	}{
		{[]string{"away"}, absentPatience},
		{[]string{"away", "there"}, arrivalPatience},
		{[]string{"away", "new"}, arrivalPatience},
		{[]string{"used"}, arrivalPatience},
	} {
		if got := patience(c.peers, sessions, states); got != c.want {
			t.Errorf("%q: %v, want %v", c.peers, got, c.want)
		}
	}
}
