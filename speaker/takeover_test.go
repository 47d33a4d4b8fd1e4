package speaker

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// taken is a cluster in which n2, the owner of web's address, is about to die.
func taken(t *testing.T, nodes int, fn func(r *rig)) {
	t.Helper()
	story(t, nodes, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.record(addr4, "n2", 4)
		r.run()
		if r.shows("answer") != "" {
			r.t.Errorf("answers %q, which is n2's", r.shows("answer"))
		}
		r.set(func() { r.journal = nil })
		fn(r)
		r.stop()
	})
}

// kill leaves all nodes alive but those.
func (r *rig) kill(names ...string) {
	dead := strings.Join(names, " ")
	var left []string
	for _, n := range sortedNames(r.nodes) {
		if !strings.Contains(dead, n) {
			left = append(left, n)
		}
	}
	r.alive(left...)
}

// exclude keeps all addresses away from a node.
func (r *rig) exclude(name string) {
	node := *r.nodes[name]
	node.Labels = map[string]string{config.ExcludeLabel: ""}
	r.nodes[name] = &node
	r.publishAll()
	r.pass(0)
}

// onlyHere makes n1 the one that can serve, so that it is the successor.
func (r *rig) onlyHere() {
	r.local(true)
	r.publishAll()
	r.pass(0)
	r.set(func() { r.journal = nil })
}

func TestTakeover(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.onlyHere() // n2 yields until we have the record, which we take at once
		if got := r.records[addr4]; got.Owner != "n1" || got.Epoch != 5 || got.Previous != "n2" {
			t.Errorf("record %+v", got)
		}
		if r.shows("answer") != "192.0.2.10" {
			t.Error("claimed and not answered")
		}
	})
}

// A swap that another node was faster with is neither answered nor repeated
// more than once a second, and one line tells of it.
func TestLostSwap(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.record(addr4, "n3", 5) // which our snapshot does not show yet
		r.next.Claims = config.TableOf(map[netip.Addr]*config.L2Claim{})
		old := config.TableOf(map[netip.Addr]*config.L2Claim{addr4: {Addr: addr4, Owner: "n2", Epoch: 4, Version: "1"}})
		r.local(true)
		stale := func() {
			snap := *r.Agent.snap
			snap.Claims, snap.Services = old, config.TableOf(r.services)
			snap.Revision, snap.Changed = snap.Revision+1, config.Changes{All: true}
			r.snaps.Put(&snap)
		}
		for range 200 {
			stale()
			r.pass(50 * time.Millisecond)
		}
		r.did() // nothing is answered
		if r.swaps < 5 || r.swaps > 11 {
			t.Errorf("%d attempts in 10 s", r.swaps)
		}
		if n := r.logged("claim lost"); n != 1 {
			t.Errorf("%d lines about one lost claim", n)
		}
	})
}

// Who may take over what n2 had if the API cannot be written.
func TestTakeoverWithoutAPI(t *testing.T) {
	for _, tt := range []struct {
		name   string
		nodes  int
		dead   []string
		mode   string
		answer string
	}{
		{"majority, nobody answers", 3, []string{"n2"}, "hang", "192.0.2.10"},
		{"majority, connection refused", 3, []string{"n2"}, "down", "192.0.2.10"},
		{"majority, writes refused", 3, []string{"n2"}, "deny", "192.0.2.10"},
		{"minority", 3, []string{"n2", "n3"}, "hang", ""},
		{"half of four", 4, []string{"n2", "n3"}, "down", ""},
		{"one of two", 2, []string{"n2"}, "down", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			taken(t, tt.nodes, func(r *rig) {
				r.local(true) // only n1 has an endpoint
				r.set(func() { r.api = tt.mode })
				r.publishAll()
				r.kill(tt.dead...)
				r.pass(swapTimeout + 100*time.Millisecond)
				if got := r.shows("answer"); got != tt.answer {
					t.Errorf("answers %q, want %q", got, tt.answer)
				}
				r.pass(time.Minute)
				// claims, if they may be written, and the status if it changed
				if n := r.logged("not written"); n < 1 && tt.answer != "" || n > 2 {
					t.Errorf("%d lines about an API outage:\n%s", n, r.logs)
				}
			})
		})
	}
}

// A node that is alive answers for what the record gives it, so nobody may
// take it without the record.
func TestNoSeizureFromTheLiving(t *testing.T) {
	taken(t, 3, func(r *rig) {
		r.set(func() { r.api = "down" })
		r.onlyHere()
		r.pass(10 * time.Second)
		r.did()
	})
}

// seized is a cluster in which n1 took web's address over without the API.
func seized(t *testing.T, then func(r *rig)) {
	t.Helper()
	taken(t, 3, func(r *rig) {
		r.local(true)
		r.set(func() { r.api = "down" })
		r.publishAll()
		r.kill("n2")
		r.pass(time.Second)
		r.did("answer 192.0.2.10")
		then(r)
	})
}

func TestSeizedIsWrittenLate(t *testing.T) {
	seized(t, func(r *rig) {
		r.set(func() { r.api = "" })
		r.pass(3 * time.Second)
		r.did("claim 192.0.2.10 epoch 5") // and never silent
		if n := r.logged("written again"); n == 0 {
			t.Error("no line that the outage is over")
		}
	})
}

// What was seized is silent at once when somebody with a better right is seen.
func TestSeizedEnds(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"the record names another, the API is still away for writes": func(r *rig) {
			r.record(addr4, "n3", 9)
			r.publishAll()
		},
		"the dead owner lives": func(r *rig) { r.alive("n1", "n2", "n3") },
	} {
		t.Run(name, func(t *testing.T) {
			seized(t, func(r *rig) {
				r.local(false)
				change(r)
				r.pass(0)
				r.did("answer")
			})
		})
	}
}

func TestSeizedIsLostBySwap(t *testing.T) {
	seized(t, func(r *rig) {
		r.set(func() { r.api = ""; r.record(addr4, "n3", 9) }) // the watch is slower than the write
		r.pass(2 * time.Second)
		r.did("answer")
	})
}

func TestSeizedServiceGoes(t *testing.T) {
	seized(t, func(r *rig) {
		delete(r.services, web)
		delete(r.endpoints, web)
		r.publish(config.Changes{Services: []config.Key{web}})
		r.pass(0)
		r.did("table", "answer")
		if len(r.over) != 0 {
			t.Errorf("left %v", r.over)
		}
	})
}

// After one timeout the API is known to be away: 500 addresses do not wait for
// a timeout each.
func TestManyWithoutAPI(t *testing.T) {
	story(t, 3, func(r *rig) {
		addr := addr4
		for i := range 500 {
			r.serve(config.Key{Name: fmt.Sprint(i)}, addr, "n1").Local = true
			r.record(addr, "n2", 1)
			addr = addr.Next()
		}
		r.set(func() { r.api = "hang" })
		r.publishAll()
		r.alive("n1", "n3")
		r.linkUp()
		r.begin()
		r.pass(swapTimeout + 10*time.Millisecond)
		if got := len(strings.Fields(r.shows("answer"))); got != 500 {
			t.Errorf("answers %d of 500 after one timeout", got)
		}
		r.stop()
	})
}
