package session

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// world is two sessions and the wire between them, in virtual time.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	now   time.Time
	ends  [2]*Session
	set   [2]Settings
	wire  []flight
	loss  float64
	cut   [2]bool // what this end sends is lost
	downs int     // Up → another
}

// flight is a packet on its way, as bytes.
type flight struct {
	to int
	at time.Time
	b  []byte
}

func newWorld(t *testing.T, seed uint64, a, b Settings) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), now: start, set: [2]Settings{a, b}}
	w.boot(0)
	w.boot(1)
	return w
}

// boot starts an end anew: it knows nothing, and is called otherwise.
func (w *world) boot(i int) {
	w.ends[i] = New(w.set[i], w.rnd.Uint32()|1, w.rnd.Uint32(), w.now)
}

func (w *world) do(i int, out Output) {
	if out.From == packet.Up && out.To != packet.Up {
		w.downs++
	}
	if out.Send && !w.cut[i] && w.rnd.Float64() >= w.loss {
		delay := time.Duration(w.rnd.IntN(5)) * ms
		w.wire = append(w.wire, flight{1 - i, w.now.Add(delay), out.Packet.Append(nil, w.set[i].Key)})
	}
}

// deliver hands over what has arrived. Nothing overtakes what was sent before.
func (w *world) deliver() {
	for len(w.wire) > 0 && !w.wire[0].at.After(w.now) {
		f := w.wire[0]
		w.wire = w.wire[1:]
		p, why := packet.Parse(f.b)
		if why != packet.Kept {
			w.t.Fatalf("we sent what is %v", why)
		}
		if s := w.ends[f.to]; p.Yours == 0 || p.Yours == s.Discriminator() {
			out, _ := s.Receive(p, f.b, w.now, w.rnd.Uint32())
			w.do(f.to, out)
		}
	}
}

func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(ms) {
		w.deliver()
		for i, s := range w.ends {
			for n := 0; !s.Due().IsZero() && !s.Due().After(w.now); n++ {
				if n > 3 {
					w.t.Fatalf("step does not do what is due: %+v", s)
				}
				w.do(i, s.Step(w.now, w.rnd.Uint32()))
			}
		}
	}
}

func (w *world) up() bool {
	return w.ends[0].Status().State == packet.Up && w.ends[1].Status().State == packet.Up
}

func (w *world) settings() Settings {
	pick := func() time.Duration { return []time.Duration{50 * ms, 100 * ms, 300 * ms, time.Second}[w.rnd.IntN(4)] }
	return Settings{MinTx: pick(), MinRx: pick(), Multiplier: uint8(2 + w.rnd.IntN(4)), Independent: true}
}

// agreed tells whether each end goes by what the other says of itself.
func (w *world) agreed() bool {
	for i, s := range w.ends {
		mine, theirs := w.set[i], w.set[1-i]
		got := s.Status()
		if got.Interval != max(mine.MinTx, theirs.MinRx) || got.Detection != time.Duration(theirs.Multiplier)*max(mine.MinRx, theirs.MinTx) {
			return false
		}
	}
	return true
}

// TestTwoSessions lets two sessions live through changes, losses, cuts and
// restarts, each pair another life. On a wire that loses nothing no
// session fails; a cut is seen in time; and when all is well they come back.
func TestTwoSessions(t *testing.T) {
	for seed := range uint64(100) {
		w := newWorld(t, seed, Settings{}, Settings{})
		key := packet.Key{Type: packet.AuthType(2 + w.rnd.IntN(4)), ID: 1, Secret: "secret"}
		if w.rnd.IntN(2) == 0 {
			key = packet.Key{}
		}
		for i := range 2 {
			w.set[i] = w.settings()
			w.set[i].Key = key
			w.set[i].Passive = i == w.rnd.IntN(3)
			w.boot(i)
		}
		w.set[1].Passive = w.set[1].Passive && !w.set[0].Passive
		w.boot(1)
		w.live()
		if t.Failed() {
			t.Fatalf("seed %d: %+v", seed, w.set)
		}
	}
}

func (w *world) live() {
	w.expect("the start", 10*time.Second)
	for range 3 {
		w.change()
		w.cutAndHeal()
		w.restart()
	}
	w.loss = 0.3
	w.run(20 * time.Second)
	w.loss = 0
	w.run(6 * time.Second) // the last that were lost may still be a silence
	w.expect("losses", 40*time.Second)
}

// change gives an end new settings, twice in a row at times.
func (w *world) change() {
	w.downs = 0
	i := w.rnd.IntN(2)
	for range 1 + w.rnd.IntN(2) {
		key, passive := w.set[i].Key, w.set[i].Passive
		w.set[i] = w.settings()
		w.set[i].Key, w.set[i].Passive = key, passive
		w.do(i, w.ends[i].Apply(w.set[i], w.now, w.rnd.Uint32()))
		w.run(time.Duration(w.rnd.IntN(200)) * ms)
	}
	w.run(5 * time.Second)
	if w.downs > 0 || !w.agreed() {
		w.t.Errorf("a change: %d failures, agreed %v", w.downs, w.agreed())
	}
}

// cutAndHeal cuts one direction or both: whoever hears nothing notices within
// the detection time, and the other soon after is told or notices as well.
func (w *world) cutAndHeal() {
	w.cut = [2]bool{true, w.rnd.IntN(2) == 0}
	w.run(w.ends[1].Detection() + 10*ms)
	if s := w.ends[1].Status(); s.State == packet.Up {
		w.t.Errorf("a cut is not seen within %v", w.ends[1].Detection())
	}
	w.run(5 * time.Second)
	if w.ends[0].Status().State == packet.Up {
		w.t.Error("the end that is not heard is Up")
	}
	w.cut = [2]bool{}
	w.expect("a cut", 30*time.Second)
}

// restart kills an end and starts it anew while the other may still be Up.
func (w *world) restart() {
	i := w.rnd.IntN(2)
	w.run(time.Duration(w.rnd.IntN(1000)) * ms)
	w.boot(i)
	w.expect("a restart", 30*time.Second)
}

// expect waits for both to be Up and to agree, and to stay so.
func (w *world) expect(after string, limit time.Duration) {
	w.t.Helper()
	for end := w.now.Add(limit); w.now.Before(end) && !(w.up() && w.agreed()); {
		w.run(100 * ms)
	}
	w.downs = 0
	w.run(3 * time.Second)
	if !w.up() || !w.agreed() || w.downs > 0 {
		w.t.Errorf("after %s: %+v\n%+v\n%d failures", after, w.ends[0].Status(), w.ends[1].Status(), w.downs)
	}
}
