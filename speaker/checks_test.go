package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// checkedRig runs fn with a Service of so many backends outside the cluster, which
// are checked.
func checkedRig(t *testing.T, nodes, backends int, fn func(r *rig)) {
	story(t, nodes, func(r *rig) {
		svc := r.serve(web, addr4, make([]string, backends)...)
		svc.Check = &config.HealthCheck{Kind: config.CheckTCP, Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3}
		r.run()
		fn(r)
		r.stop()
	})
}

// find tells the agent what its checks found of its first target; it returns the
// backend.
func (r *rig) find(down bool, why string) netip.AddrPort {
	r.mu.Lock()
	first := r.checked[0]
	r.mu.Unlock()
	r.verdicts.Put([]check.Verdict{{ID: first.ID, Down: down, Why: why}})
	r.pass(0)
	return first.Addr
}

// used are the backends that the forwarder was told to use.
func (r *rig) used() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	target := r.wrote.Target(l4proxy.Frontend{Addr: netip.AddrPortFrom(addr4, 80), Proto: config.TCP})
	for _, b := range target.Group.Backends {
		out = append(out, b.Addr.Addr().String())
	}
	return strings.Join(out, " ")
}

func (r *rig) expectUsed(when, want string) {
	r.t.Helper()
	if got := r.used(); got != want {
		r.t.Errorf("%s: %q is used, want %q", when, got, want)
	}
}

// What this node finds down is left out at once, told to the others and to the
// Service, and used again when it is up.
func TestBackendFoundDown(t *testing.T) {
	checkedRig(t, 1, 2, func(r *rig) {
		r.expectUsed("at first", "10.0.0.1 10.0.0.2")
		if len(r.checked) != 2 {
			t.Fatalf("the only node checks %v, want both backends", r.checked)
		}
		r.find(false, "")
		if len(r.toldWords) > 0 {
			t.Errorf("told the others of a backend that is up: %v", r.toldWords)
		}
		addr := r.find(true, "connection refused")
		other := map[string]string{"10.0.0.1": "10.0.0.2", "10.0.0.2": "10.0.0.1"}[addr.Addr().String()]
		r.expectUsed("down", other)
		r.pass(10 * time.Second)
		r.find(false, "")
		r.expectUsed("up", "10.0.0.1 10.0.0.2")
		want := []string{
			fmt.Sprintf(`default/web BackendDown: %v fails its health checks, as node "n1" found: connection refused`, addr),
			fmt.Sprintf(`default/web BackendUp: %v passes its health checks again, as node "n1" found`, addr),
		}
		for _, w := range want {
			if !slices.Contains(r.events, w) {
				t.Errorf("no event %q in %q", w, r.events)
			}
		}
		if n := len(r.toldWords); n < 4 || n > 6 || r.toldWords[0] != "down=true again=false" || r.toldWords[1] != "down=true again=true" || r.toldWords[n-1] != "down=false again=false" {
			t.Errorf("the others are told %q", r.toldWords)
		}
	})
}

// A table is never emptied: if all backends fail, all are used.
func TestAllBackendsDown(t *testing.T) {
	checkedRig(t, 1, 1, func(r *rig) {
		r.find(true, "no answer within 1s")
		r.expectUsed("the only one is down", "10.0.0.1")
		if last := r.events[len(r.events)-1]; !strings.HasSuffix(last, "; all backends fail, and all are used") {
			t.Errorf("event %q", last)
		}
	})
}

// What another node tells is believed until it is told no more, and what it
// checked is checked by others when it dies.
func TestBackendToldDown(t *testing.T) {
	checkedRig(t, 2, 8, func(r *rig) {
		mine := map[netip.AddrPort]bool{}
		for _, a := range r.checked {
			mine[a.Addr] = true
		}
		if len(mine) == 0 || len(mine) == 8 {
			t.Fatalf("of 8 backends n1 checks %d", len(mine))
		}
		var theirs check.Target
		for i := range 8 {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80)
			if !mine[at] {
				theirs = check.Target{Addr: at, Check: *r.services[web].Check}
			}
		}
		without := func() bool { return !slices.Contains(strings.Fields(r.used()), theirs.Addr.Addr().String()) }
		tell := func(epoch int64, down bool) {
			r.words.Put([]check.Word{{ID: theirs.ID(), Down: down, Epoch: epoch}})
			r.pass(0)
		}
		if tell(5, true); !without() {
			t.Error("what n2 found down is used")
		}
		if tell(4, false); !without() {
			t.Error("an older word counts")
		}
		if tell(6, false); without() {
			t.Error("what n2 found up is not used")
		}
		tell(7, true)
		if r.pass(14 * time.Second); !without() {
			t.Error("a word is forgotten too soon")
		}
		if r.pass(3 * time.Second); without() {
			t.Error("a word that nobody tells any more is believed")
		}
		tell(8, true)
		r.alive("n1")
		r.pass(2 * time.Second)
		i := slices.IndexFunc(r.checked, func(a check.Assignment) bool { return a.Target == theirs })
		if len(r.checked) != 8 || i < 0 || !r.checked[i].Tally.Down || !without() {
			t.Errorf("after the death of n2, n1 checks %v; that backend is left out: %t", r.checked, without())
		}
	})
}

// A node that is about to go checks nothing.
func TestCheckers(t *testing.T) {
	a := &Agent{members: []announce.Member{{Node: "a", Alive: true}, {Node: "b"}, {Node: "c", Alive: true, Leaving: true},
		{Node: "d", Alive: true, Restarting: true}, {Node: "e", Alive: true, Joining: true}, {Node: "f", Alive: true, Vacant: true}, {Node: "g", Alive: true}}}
	if got := strings.Join(a.checkers(), " "); got != "a g" {
		t.Errorf("checkers are %s", got)
	}
}
