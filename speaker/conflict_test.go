package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/layer2"
)

const strangerMAC = "02:00:00:00:00:99"

// warnings returns events a stranger.
func (r *rig) warnings() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if strings.Contains(e, strangerMAC) {
			out = append(out, e)
		}
	}
	return out
}

func (r *rig) problems() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reports) == 0 {
		return ""
	}
	return fmt.Sprint(r.reports[len(r.reports)-1].Problems)
}

// An address that a stranger has is not claimed; when it is free it is, and
// the forwarder has it all the time.
func TestAddressInUse(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.strangers = map[netip.Addr]string{addr4: strangerMAC}
		r.serve(web, addr4, "n1")
		r.run()
		r.pass(10 * time.Second)
		if r.swaps != 0 || r.shows("answer") != "" || r.shows("table") != "192.0.2.10" {
			t.Errorf("%d writes, answers %q, table %q", r.swaps, r.shows("answer"), r.shows("table"))
		}
		if w := r.warnings(); len(w) != 1 || !strings.Contains(w[0], "default/web announceFailed: 192.0.2.10 is not announced") || !strings.Contains(w[0], `eth0 of node "n1"`) {
			t.Errorf("warnings %q", w)
		}
		if p := r.problems(); !strings.Contains(p, strangerMAC+" on eth0 has it; take the address") {
			t.Errorf("problems %s", p)
		}
		r.set(func() { r.strangers = nil; r.found.Probes = nil })
		r.stir()
		r.pass(2 * time.Second)
		if r.shows("answer") != "192.0.2.10" || strings.Contains(r.problems(), strangerMAC) {
			t.Errorf("answers %q, problems %s", r.shows("answer"), r.problems())
		}
		r.stop()
	})
}

// What a member had is taken over without asking.
func TestTakeoverDoesNotAsk(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.set(func() { r.strangers = map[netip.Addr]string{addr4: strangerMAC} })
		r.onlyHere()
		if r.shows("answer") != "192.0.2.10" || len(r.warnings()) > 0 {
			t.Errorf("answers %q, warnings %q", r.shows("answer"), r.warnings())
		}
	})
}

// A stranger that appears later is told of once, and the address is kept.
func TestConflictLater(t *testing.T) {
	story(t, 1, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.run()
		for range 5 {
			r.set(func() { r.found.Conflicts = []layer2.Conflict{{Addr: addr4, Link: "eth0", MAC: strangerMAC}} })
			r.stir()
			r.pass(2 * time.Second)
		}
		if w := r.warnings(); len(w) != 1 || !strings.Contains(w[0], "default/web addressInUse: another host, "+strangerMAC) {
			t.Errorf("warnings %q", w)
		}
		if r.shows("answer") != "192.0.2.10" || !strings.Contains(r.problems(), "announced here, but "+strangerMAC) || r.logged("another host has") != 1 {
			t.Errorf("answers %q, problems %s", r.shows("answer"), r.problems())
		}
		r.set(func() { r.found.Conflicts = nil })
		r.stir()
		r.pass(2 * time.Second)
		if p := r.problems(); strings.Contains(p, strangerMAC) {
			t.Errorf("problems %s", p)
		}
		if got := slices.Contains(r.lines(), "answer"); got {
			t.Error("was silent for a while")
		}
		r.stop()
	})
}
