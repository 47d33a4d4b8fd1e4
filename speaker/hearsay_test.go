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
		{"of another record", func(r *rig) { r.hears("n0", 6) }, "192.0.2.10"},
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

// A takeover is told at once, each second, and no more when the record is written.
func TestTakeoversAreTold(t *testing.T) {
	apart(t, func(r *rig) {
		count := func() int { return len(r.tellings()) }
		r.kill("n2")
		r.pass(0)
		if got := fmt.Sprint(r.tellings()); got != "[{192.0.2.10 n1 5}]" {
			t.Errorf("told %s", got)
		}
		r.pass(5 * time.Second)
		if n := count(); n < 5 || n > 7 {
			t.Errorf("told %d times in 5 s", n)
		}
		r.set(func() { r.api = "" })
		r.pass(5 * time.Second)
		before := count()
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
