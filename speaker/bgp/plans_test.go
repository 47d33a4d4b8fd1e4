//go:build !race

package bgp

import (
	"context"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// GoBGP's StartBgp writes package variables that other servers of the process
// read: the same values each time, so nothing comes of it, but the race
// detector says so. What starts several servers is tested without it.

func TestSpeakerFollowsPlans(t *testing.T) {
	s, err := New(log.NewNopLogger(), prometheus.NewRegistry(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	other := nowhere(func(p *config.Peer) { p.Name = "other" })
	s.Apply([]announce.Session{sessionTo(nowhere(), route(vip4)), sessionTo(other)})
	testlab.Eventually(t, 10*time.Second, "two sessions that are refused", func() bool {
		st := s.States()
		return len(st) == 2 && st[0].Peer == "other" && st[0].Failing.Kind == KindRefused && st[1].Failing.Kind == KindRefused
	})
	select {
	case <-s.Changed():
	default:
		t.Error("no word of a change")
	}
	s.Apply([]announce.Session{sessionTo(nowhere(), route(vip4))})
	testlab.Eventually(t, 10*time.Second, "one session", func() bool { return len(s.States()) == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(ctx); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	s.Abandon()
	s.Apply(nil) // must not block
	s.Apply(nil)
}

// A router counts as absent if it was away for long when the last process reported.
func TestAbsentRouters(t *testing.T) {
	router := nowhere()
	long := time.Now().Add(-2 * absentTime)
	last := config.SessionReport{Addr: router.Addr, State: "Connect", Since: long}
	of := func(edit func(*config.SessionReport)) map[string]config.SessionReport {
		r := last
		edit(&r)
		return map[string]config.SessionReport{router.Name: r}
	}
	for name, c := range map[string]struct {
		memory map[string]config.SessionReport
		want   bool
	}{
		"away":           {of(func(*config.SessionReport) {}), true},
		"just now":       {of(func(r *config.SessionReport) { r.Since = time.Now() }), false},
		"there":          {of(func(r *config.SessionReport) { r.State = established }), false},
		"another one":    {of(func(r *config.SessionReport) { r.Addr = r.Addr.Next() }), false},
		"never reported": {nil, false},
	} {
		if r := (&roster{memory: c.memory}); r.absent(router) != c.want {
			t.Errorf("%s: absent %v", name, !c.want)
		}
	}
}
