package speaker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// partitions are timelines of one node of a cluster: what it sees, and what it
// may do: "answer", "swap" (take over by writing first), "seize" (answer first).
//
//	at ms  what happens  → what it may do
//
// "alive 1/3": of three voters one is alive; "read": a reading of the records
// that was begun now came back; "away": the process was frozen until now.
var partitions = []struct{ name, timeline string }{
	{"alone in the cluster", `
		0      alive 1/1  → answer swap seize
		100    away       → answer swap seize`},
	{"the majority side", `
		0      alive 3/3  → answer swap seize
		150    alive 2/3  → answer swap seize
		60000  alive 2/3  → answer swap seize`},
	{"cut off, API reachable by both: the record decides, once the others have written", `
		0      alive 3/3  → answer swap seize
		150    alive 1/3  →
		200    read       →
		600    alive 1/3  →
		660    read       → answer swap
		1500   read       → answer swap
		3499   alive 1/3  → answer swap
		3501   alive 1/3  →`},
	{"cut off, API reachable by the others only; healed", `
		0      alive 3/3  → answer swap seize
		150    alive 1/3  →
		9000   alive 1/3  →
		15000  alive 2/3  →
		15020  read       → answer
		15499  alive 3/3  → answer
		15500  alive 3/3  → answer swap seize`},
	{"cut off, API reachable by nobody; healed", `
		0      alive 3/3  → answer swap seize
		150    alive 1/3  →
		15000  alive 3/3  →
		29999  alive 3/3  →
		30000  alive 3/3  → answer swap seize`},
	{"cut off from the others and not from the API; healed", `
		0      alive 3/3  → answer swap seize
		150    alive 1/3  →
		700    read       → answer swap
		1500   read       → answer swap
		1600   alive 2/3  → answer
		1607   alive 3/3  → answer
		2100   alive 3/3  → answer swap seize`},
	{"halves, API reachable", `
		0      alive 4/4  → answer swap seize
		150    alive 2/4  →
		700    read       → answer swap`},
	{"halves, no API", `
		0      alive 4/4  → answer swap seize
		150    alive 2/4  →
		9000   alive 2/4  →`},
	{"two nodes, API reachable: it decides who takes over", `
		0      alive 2/2  → answer swap seize
		150    alive 1/2  → answer swap
		170    read       → answer swap
		700    read       → answer swap
		60000  alive 1/2  → swap
		60010  read       → answer swap
		60100  alive 2/2  → answer
		60600  alive 2/2  → answer swap seize`},
	{"two nodes, no API; healed", `
		0      alive 2/2  → answer swap seize
		150    alive 1/2  → answer swap
		1149   alive 1/2  → answer swap
		1151   alive 1/2  → swap
		9000   alive 2/2  →
		24000  alive 2/2  → answer swap seize`},
	{"frozen and thawed in the majority", `
		0      alive 3/3  → answer swap seize
		5000   away       →
		5100   read       →
		5510   read       → answer swap seize`},
	{"frozen and thawed, no API", `
		0      alive 3/3  → answer swap seize
		5000   away       →
		6900   alive 3/3  →
		7000   alive 3/3  → answer swap seize`},
	{"one of two, frozen and thawed", `
		0      alive 2/2  → answer swap seize
		5000   away       →
		5510   read       → answer swap seize`},
	{"of three one died long ago, then another", `
		0      alive 3/3  → answer swap seize
		150    alive 2/3  → answer swap seize
		61000  alive 2/3  → answer swap seize
		62000  alive 2/3  → answer swap seize
		63000  alive 1/3  → answer swap
		63010  read       → answer swap`},
	{"a minority makes itself no majority by waiting", `
		0      alive 5/5  → answer swap seize
		150    alive 2/5  →
		90000  alive 2/5  →
		200000 alive 2/5  →`},
}

func TestPartitions(t *testing.T) {
	for _, tt := range partitions {
		g, start := newGround(), time.Unix(1000, 0)
		alive := map[string]bool{}
		for _, line := range strings.Split(strings.TrimSpace(tt.timeline), "\n") {
			event, want, _ := strings.Cut(line, "→")
			var ms, lives, all int
			var what string
			if _, err := fmt.Sscan(event, &ms, &what); err != nil {
				t.Fatal(line, err)
			}
			now := start.Add(time.Duration(ms) * time.Millisecond)
			switch what {
			case "alive":
				if _, err := fmt.Sscanf(strings.TrimSpace(event[strings.Index(event, what):]), "alive %d/%d", &lives, &all); err != nil {
					t.Fatal(line, err)
				}
				for i := range all {
					alive[fmt.Sprint("n", i)] = i < lives
				}
			case "read":
				g.read = now
			case "away":
				g.away(now)
			}
			g.see(alive, false, now)
			if got := g.rights(now).String(); got != strings.TrimSpace(want) {
				t.Errorf("%s: %s: may %q (%+v)", tt.name, strings.TrimSpace(line), got, g.footing)
			}
		}
	}
}

func (r rights) String() string {
	var out []string
	for _, w := range []struct {
		may  bool
		what string
	}{{r.answer, "answer"}, {r.swap, "swap"}, {r.seize, "seize"}} {
		if w.may {
			out = append(out, w.what)
		}
	}
	return strings.Join(out, " ")
}

// A node that all others are dead to is silent until the API shows what it owns.
func TestMinority(t *testing.T) {
	owning(t, 3, func(r *rig) {
		r.kill("n2", "n3")
		r.pass(0)
		r.did("answer")
		r.pass(settleTime + 2*reviewEvery)
		r.did("answer 192.0.2.10") // the API shows it as ours
		r.stop()
	})
}

// A node that is cut off is silent, and knows from the records what it lost
// before its watch does.
func TestCutOffAndHealed(t *testing.T) {
	owning(t, 3, func(r *rig) {
		r.set(func() { r.api = "hang"; r.journal = nil })
		r.beats(true, 1, "n2:down n3:down")
		r.pass(10 * time.Millisecond)
		r.did("answer")
		r.kill("n2", "n3")
		r.pass(10 * time.Second)
		r.set(func() { r.record(addr4, "n2", 2) }) // which no snapshot shows
		r.set(func() { r.api = "" })
		r.alive("n1", "n2", "n3")
		r.beats(false, 1, "n2:up n3:up")
		r.pass(3 * time.Second)
		r.did() // not a word
		r.stop()
	})
}

// The majority goes on answering while it cannot reach the API. The others can,
// and take over by the record: as soon as one is back the record decides, however
// late the watch is, and a reading that hangs since before holds nobody up.
func TestMajorityWithoutAPI(t *testing.T) {
	for _, watched := range []string{"down", "hang"} {
		owning(t, 3, func(r *rig) {
			r.set(func() { r.api = watched; r.journal = nil })
			r.kill("n3")
			r.pass(20 * time.Second)
			r.did()                                                // goes on
			r.set(func() { r.record(addr4, "n3", 2); r.api = "" }) // which no snapshot shows
			r.alive("n1", "n2", "n3")
			r.pass(readEvery + 10*time.Millisecond)
			r.did("answer")
			r.stop()
		})
	}
}

// A reading may be faster than the heartbeats of the one that took over by the
// record: it is not taken for dead by what it has just written.
func TestReadBeforeHeard(t *testing.T) {
	owning(t, 3, func(r *rig) {
		r.exclude("n2")
		r.set(func() { r.api = "down"; r.journal = nil })
		r.kill("n3")
		r.pass(20 * time.Second)
		r.set(func() { r.record(addr4, "n3", 2); r.api = "" }) // which no snapshot shows
		r.pass(apiPatience + readEvery)
		r.did("answer")
		r.publishAll() // n3 has not come back after all
		r.pass(time.Second)
		r.did("answer 192.0.2.10", "claim 192.0.2.10 epoch 3")
		r.stop()
	})
}

// readings are how often records were read, and how often all of them.
func (r *rig) readings() (n, all int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads, r.readAll
}

// A majority that reaches the API asks it ever more seldom while somebody is
// dead, for one record, and not at all later.
func TestMajorityAsksSeldom(t *testing.T) {
	owning(t, 3, func(r *rig) {
		r.kill("n3")
		r.pass(10 * time.Second)
		if n, all := r.readings(); n > 8 || n < 3 || all > 0 {
			t.Errorf("in ten seconds: %d readings, %d of all", n, all)
		}
		r.pass(time.Minute)
		before, _ := r.readings()
		r.pass(10 * time.Minute)
		if after, _ := r.readings(); before > 20 || after > before {
			t.Errorf("%d readings in a minute, then %d", before, after-before)
		}
		r.stop()
	})
}

// A process that did not run for a while is silent until it knows what it has
// lost, if anything.
func TestStalled(t *testing.T) {
	owning(t, 3, func(r *rig) {
		r.set(func() { r.journal = nil })
		r.beats(false, 1, "n2:up n3:up")
		r.pass(0)
		r.did("answer")
		r.pass(settleTime + 2*reviewEvery)
		r.did("answer 192.0.2.10")
		r.stop()
	})
}

// Without gossip and heartbeats, but with the API, two nodes each take the
// other for dead: an address moves once and not to and fro.
func TestNoPingPong(t *testing.T) {
	owning(t, 2, func(r *rig) {
		r.set(func() { r.journal = nil })
		r.kill("n2")
		r.pass(time.Second)
		r.record(addr4, "n2", 2) // it took what is ours
		r.publishAll()
		r.pass(10 * time.Second)
		r.did("answer")
		r.stop()
	})
}

// Of two that seize an address, the one whose write came second is silent at
// once and stays so, however late its watch is.
func TestSeizedTwice(t *testing.T) {
	taken(t, 3, func(r *rig) {
		n3 := *r.nodes["n3"] // excluded, so that n1 is the successor
		n3.Labels = map[string]string{config.ExcludeLabel: ""}
		r.nodes["n3"] = &n3
		r.publishAll()
		r.pass(0)
		r.set(func() { r.record(addr4, "n3", 5) })
		r.kill("n2")
		r.pass(10 * time.Second)
		r.did("answer 192.0.2.10", "answer")
	})
}
