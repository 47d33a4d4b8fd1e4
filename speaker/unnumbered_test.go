package speaker

import (
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/discovery"
)

func TestLocatedSessions(t *testing.T) {
	numbered := announce.Session{Peer: &config.Peer{Name: "a", Addr: torAddr}}
	first := announce.Session{Peer: &config.Peer{Name: "b", Interface: "eth1"}}
	second := announce.Session{Peer: &config.Peer{Name: "c", Interface: "eth2"}}
	plan := []announce.Session{numbered, first, second}
	router := netip.MustParseAddr("fe80::1%eth1")
	got := located(plan, map[string]discovery.Finding{"eth1": {Router: router}, "eth2": {Why: "down"}})
	if got[0].Router() != torAddr || got[1].Router() != router || got[2].Router().IsValid() || got[2].Missing != "down" {
		t.Errorf("got %+v", got)
	}
	if plan[1].Found.IsValid() {
		t.Error("the plan was changed")
	}
}

// The interfaces of peers are looked on, and a router that is found there is
// watched by BFD where it is; one that is not found is not.
func TestRouterIsFoundByInterface(t *testing.T) {
	story(t, 1, func(r *rig) {
		byLink := watched("tor", netip.Addr{}, func(p *config.Peer) { p.Interface = "eth1" })
		r.next.Peers = []*config.Peer{byLink}
		r.run()
		if looks, bfd := r.shows("looks"), r.shows("bfd"); looks != "eth1" || bfd != "" {
			t.Errorf("looked on %q, watched: %q", looks, bfd)
		}
		r.mu.Lock()
		r.routers = map[string]discovery.Finding{"eth1": {Router: netip.MustParseAddr("fe80::1%eth1")}}
		r.mu.Unlock()
		r.moved <- struct{}{}
		r.pass(time.Second)
		if got := r.shows("bfd"); got != "fe80::1%eth1 50ms/60ms×3" {
			t.Errorf("watched: %q", got)
		}
		r.stop()
	})
}
