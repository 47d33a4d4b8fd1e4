package speaker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// apart is a cluster in which n2 has died as owner of addr4 while the API is
// away, so that no record says who has it. n0 comes before this node, n1, and n3
// after it.
func apart(t *testing.T, fn func(r *rig)) {
	story(t, 6, func(r *rig) {
		r.nodes["n0"] = &config.Node{Name: "n0", Ready: true, Addrs: r.nodes["n6"].Addrs}
		delete(r.nodes, "n6")
		r.serve(web, addr4, "n1")
		r.record(addr4, "n2", 4)
		r.run()
		r.set(func() { r.api = "hang" })
		r.local(true)
		r.publishAll()
		r.pass(0)
		fn(r)
		r.stop()
	})
}

// hears tells the agent that node took addr4 over.
func (r *rig) hears(node string, epoch int64) {
	r.rumours.Put([]announce.Takeover{{Addr: addr4, Node: node, Epoch: epoch}})
	r.pass(0)
}

// hearsWritten tells the agent that node has written the record of addr4.
func (r *rig) hearsWritten(node string, epoch int64) {
	r.rumours.Put([]announce.Takeover{{Addr: addr4, Node: node, Epoch: epoch, Written: true}})
	r.pass(0)
}

// tellings are the takeovers that the agent told the others of.
func (r *rig) tellings() []announce.Takeover {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// Of two nodes that took over one address the first by name keeps it, for as
// long as it says so.
func TestTakenOverByTwo(t *testing.T) {
	for _, tt := range []struct {
		name string
		hear func(r *rig)
		want string
	}{
		{"by a node that comes later", func(r *rig) { r.hears("n3", 5) }, "192.0.2.10"},
		{"by a node that comes first", func(r *rig) { r.hears("n0", 5) }, ""},
		{"and told again", func(r *rig) {
			for range 10 {
				r.hears("n0", 5)
				r.pass(tellLasts / 2)
			}
		}, ""},
		{"and not told again", func(r *rig) { r.hears("n0", 5); r.pass(tellLasts + 2*retryAfter) }, "192.0.2.10"},
		{"of an earlier record", func(r *rig) { r.hears("n0", 4) }, "192.0.2.10"},
		{"of a later record, by a node that comes first", func(r *rig) { r.hears("n0", 6) }, ""},
		{"of a later record, by a node that comes later", func(r *rig) { r.hears("n3", 6) }, ""},
		{"and written, by a node that comes later", func(r *rig) { r.hearsWritten("n3", 5) }, ""},
		{"by a node that is dead", func(r *rig) { r.kill("n0", "n2"); r.pass(0); r.hears("n0", 5) }, "192.0.2.10"},
		{"by a node that dies then", func(r *rig) { r.hears("n0", 5); r.kill("n0", "n2"); r.pass(0) }, "192.0.2.10"},
		{"by a node that is not known", func(r *rig) { r.hears("n9", 5) }, "192.0.2.10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apart(t, func(r *rig) {
				r.kill("n2")
				r.pass(0)
				if got := r.shows("answer"); got != "192.0.2.10" {
					t.Fatalf("answers %q after the death", got)
				}
				tt.hear(r)
				if got := r.shows("answer"); got != tt.want {
					t.Errorf("answers %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// What another node took over is not taken from it, even if this one would be
// the successor by what it knows.
func TestTakenOverBefore(t *testing.T) {
	apart(t, func(r *rig) {
		r.hears("n3", 5) // n2 lives as far as is known here
		r.pass(0)
		r.kill("n2")
		r.pass(0)
		r.hears("n3", 5)
		if got := r.shows("answer"); got != "192.0.2.10" {
			t.Errorf("answers %q: what was told of a living node's address was believed", got)
		}
	})
	apart(t, func(r *rig) {
		free := r.nodes["n1"]
		r.local(false)
		r.exclude("n1")
		r.publishAll()
		r.kill("n2")
		r.pass(0)
		r.hears("n3", 5)
		r.nodes["n1"] = free
		r.publishAll()
		r.pass(time.Second)
		if got := r.shows("answer"); got != "" {
			t.Errorf("answers %q, which n3 took over", got)
		}
	})
}

// A takeover is told at once, each second, and once more when the record is
// written.
func TestTakeoversAreTold(t *testing.T) {
	apart(t, func(r *rig) {
		count := func() int { return len(r.tellings()) }
		r.kill("n2")
		r.pass(0)
		if got := fmt.Sprint(r.tellings()); got != "[{192.0.2.10 n1 5 false}]" {
			t.Errorf("told %s", got)
		}
		r.pass(5 * time.Second)
		if n := count(); n < 5 || n > 7 {
			t.Errorf("told %d times in 5 s", n)
		}
		r.set(func() { r.api = "" })
		r.pass(5 * time.Second)
		before := count()
		if got := fmt.Sprint(r.tellings()[before-1]); got != "{192.0.2.10 n1 5 true}" {
			t.Errorf("told %s when it was written", got)
		}
		r.pass(5 * time.Second)
		if r.owner(addr4) != "n1" || count() != before {
			t.Errorf("owner %s, told %d times after that", r.owner(addr4), count()-before)
		}
	})
}

// A record that only a reading has shown outlasts what is told of it: the watch
// may be late by more than that.
func TestToldOfWhatWasRead(t *testing.T) {
	apart(t, func(r *rig) {
		free := r.nodes["n1"]
		r.exclude("n1")
		r.kill("n2")
		r.pass(0)
		before := r.records[addr4]
		r.set(func() { r.api = ""; r.record(addr4, "n3", 5) })
		r.beats(false, 1, "n0:up n3:up n4:up n5:up") // this node was not heard, so it reads
		r.pass(settleTime + reviewEvery)
		r.set(func() { r.api = "hang" })
		r.hears("n3", 5)
		r.set(func() { r.records[addr4] = before }) // as the watch has it
		r.nodes["n1"] = free
		r.publishAll()
		r.pass(tellLasts + 2*retryAfter)
		if got := r.shows("answer"); got != "" {
			t.Errorf("answers %q, which the record gives to n3", got)
		}
	})
}

// Who may not answer for what it took over does not keep others from it.
func TestSilentNodesTellNothing(t *testing.T) {
	apart(t, func(r *rig) {
		r.kill("n2")
		r.pass(0)
		r.beats(false, 1, "n0:up n3:up n4:up n5:up") // this node was not heard
		r.pass(0)
		before := len(r.tellings())
		r.pass(apiPatience - reviewEvery)
		if got := r.shows("answer"); got != "" || len(r.tellings()) != before {
			t.Errorf("answers %q, told %d times meanwhile", got, len(r.tellings())-before)
		}
		r.pass(2 * retryAfter)
		if got := r.shows("answer"); got != "192.0.2.10" || len(r.tellings()) == before {
			t.Errorf("answers %q, told %d times afterwards", got, len(r.tellings())-before)
		}
	})
}

// A node that alone cannot reach the API leaves an address to the one that took
// it over and wrote that down, although its own record is an old one by which the
// address is its own. It takes part again in what follows, by the record that it
// was told of.
func TestToldOfWhatIsWritten(t *testing.T) {
	outside := func(t *testing.T, then func(r *rig)) {
		apart(t, func(r *rig) {
			free := r.nodes["n1"]
			r.exclude("n1") // so that it does not take over first
			r.kill("n2")
			r.pass(0)
			r.hears("n3", 5)
			r.hearsWritten("n3", 5)
			r.nodes["n1"] = free
			r.publishAll()
			r.pass(tellLasts + 5*retryAfter)
			if got := r.shows("answer"); got != "" {
				t.Fatalf("answers %q, which n3 has", got)
			}
			then(r)
		})
	}
	for _, tt := range []struct {
		name string
		then func(r *rig)
		want string
	}{
		{"for an hour", func(r *rig) { r.pass(time.Hour) }, ""},
		{"the new owner dies", func(r *rig) { r.kill("n2", "n3"); r.pass(0) }, "192.0.2.10"},
		{"it dies, and another takes over", func(r *rig) { r.hears("n4", 6); r.kill("n2", "n3"); r.pass(0); r.hears("n4", 6) }, "192.0.2.10"},
		{"it dies, and another took over and wrote that", func(r *rig) {
			r.hearsWritten("n4", 6)
			r.kill("n2", "n3")
			r.pass(time.Minute)
		}, ""},
		{"it moves on several times", func(r *rig) {
			r.hearsWritten("n4", 6)
			r.hearsWritten("n0", 7)
			r.hearsWritten("n4", 6) // late
			r.kill("n2", "n3", "n4")
			r.pass(time.Minute)
		}, ""},
		{"the dead owner is back", func(r *rig) { r.kill(); r.pass(time.Minute) }, ""},
		{"the API is back, and shows the record", func(r *rig) {
			r.local(false) // n3 may have it
			r.publishAll()
			r.set(func() { r.record(addr4, "n3", 5); r.api = "" })
			r.pass(apiPatience + time.Second) // read before the watch shows it
			r.publishAll()
			r.pass(time.Minute)
		}, ""},
		{"the API is back, and there is no such record", func(r *rig) {
			r.set(func() { r.api = "" })
			r.pass(apiPatience + 2*retryAfter)
		}, "192.0.2.10"},
		{"the API is back when the new owner is dead", func(r *rig) {
			r.kill("n2", "n3")
			r.pass(0)
			r.set(func() { r.record(addr4, "n3", 5); r.api = "" })
			r.publishAll()
			r.pass(2 * retryAfter)
		}, "192.0.2.10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			outside(t, func(r *rig) {
				tt.then(r)
				if got := r.shows("answer"); got != tt.want {
					t.Errorf("answers %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// An owner that cannot reach the API hears from the node that takes over from it
// that it did, where the record decides; one that can is not misled.
func TestOwnersAreTold(t *testing.T) {
	for _, tt := range []struct{ api, want string }{{"hang", ""}, {"down", ""}, {"", "192.0.2.10"}} {
		owning(t, 3, func(r *rig) {
			r.set(func() { r.api = tt.api })
			r.hearsWritten("n2", 2)
			r.pass(3 * time.Second)
			if got := r.shows("answer"); got != tt.want {
				t.Errorf("API %q: answers %q, want %q", tt.api, got, tt.want)
			}
			r.stop()
		})
	}
}

// Who tells of a takeover that this node's record has overtaken is told of that.
func TestLatecomersAreTold(t *testing.T) {
	owning(t, 3, func(r *rig) {
		before := len(r.tellings())
		r.rumours.Put([]announce.Takeover{{Addr: addr4, Node: "n2", Epoch: 1}})
		r.pass(0)
		if got := fmt.Sprint(r.tellings()[before:]); got != "[{192.0.2.10 n1 1 true}]" {
			t.Errorf("told %s", got)
		}
		r.rumours.Put([]announce.Takeover{{Addr: addr4, Node: "n2", Epoch: 1, Written: true}})
		r.rumours.Put([]announce.Takeover{{Addr: addr4, Node: "n2", Epoch: 2}})
		r.pass(0)
		if got := r.tellings()[before:]; len(got) != 1 || r.shows("answer") != "192.0.2.10" {
			t.Errorf("told %v, answers %q", got, r.shows("answer"))
		}
		r.stop()
	})
}
