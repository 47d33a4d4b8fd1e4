package pulse

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// world is a network of meshes in simulated time: packets take a while, some
// are lost, and nodes die, freeze and are cut off.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	now   time.Time
	nodes []*simNode
	at    map[netip.AddrPort]*simNode
	queue timeline
	loss  float64
	cut   func(a, b int) bool // nil: all is well
	order int

	largest int // of all packets sent, in bytes
}

type simNode struct {
	i        int
	name     string
	mesh     *mesh
	due      time.Time
	frozen   bool
	dead     bool
	refuses  bool // dead is the process only: its host says that nobody listens
	sent     int
	received int
}

// event is a packet that arrives or, without one, the time at which a node
// wanted to be called.
type event struct {
	at    time.Time
	order int
	to    *simNode
	pkt   *packet
}

type timeline []event

func (a timeline) Len() int { return len(a) }
func (a timeline) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].order < a[j].order
}
func (a timeline) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *timeline) Push(x any)   { *a = append(*a, x.(event)) }
func (a *timeline) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func newWorld(t *testing.T, nodes int) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(1, 2)), now: time.Unix(1000, 0), at: map[netip.AddrPort]*simNode{}}
	var peers []Peer
	for i := range nodes {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7957)
		name := fmt.Sprintf("n%d", i)
		n := &simNode{i: i, name: name, mesh: newMesh(DefaultTuning, name, w.rnd.Uint64()|1)}
		w.nodes, w.at[addr] = append(w.nodes, n), n
		peers = append(peers, Peer{name, addr})
	}
	for _, n := range w.nodes {
		start := w.now.Add(time.Duration(w.rnd.Int64N(int64(50 * time.Millisecond)))) // no common phase
		n.mesh.apply(peers, start)
		w.push(event{at: start, to: n})
		n.due = start
	}
	return w
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		switch n := e.to; {
		case n.dead || n.frozen:
		case e.pkt != nil:
			n.received++
			n.mesh.receive(*e.pkt, w.now)
			w.carry(n)
			w.schedule(n, false)
		case e.at.Equal(n.due): // else it wanted another time since
			n.mesh.step(w.now, 0)
			w.carry(n)
			w.schedule(n, true)
		}
	}
	w.now = end
}

// schedule has n called when it wants to be; what is scheduled is only put off
// by being done.
func (w *world) schedule(n *simNode, done bool) {
	due := w.now.Add(time.Millisecond)
	if d := n.mesh.due(w.now); d.After(due) {
		due = d
	}
	if done || due.Before(n.due) {
		n.due = due
		w.push(event{at: due, to: n})
	}
}

func (w *world) push(e event) {
	w.order++
	e.order = w.order
	heap.Push(&w.queue, e)
}

// carry puts what n sends on its way.
func (w *world) carry(n *simNode) {
	out := n.mesh.take()
	n.sent += len(out)
	for _, d := range out {
		to := w.at[d.to]
		w.largest = max(w.largest, headSize+8*len(d.Down)+macSize)
		if w.rnd.Float64() < w.loss || w.cut != nil && w.cut(n.i, to.i) {
			continue
		}
		if to.dead && to.refuses {
			n.mesh.refused(d.to, w.now)
		}
		w.push(event{at: w.now.Add(200*time.Microsecond + time.Duration(w.rnd.IntN(300))*time.Microsecond), to: to, pkt: &d.packet})
	}
}

// thaw lets a frozen node go on. What it missed is gone.
func (w *world) thaw(i int) {
	n := w.nodes[i]
	n.frozen = false
	n.mesh.step(w.now, w.now.Sub(n.due))
	w.carry(n)
	w.schedule(n, true)
}

// sees tells how many nodes, of those that live, hold i for what.
func (w *world) sees(i int, what State) (n int) {
	for _, o := range w.nodes {
		if o.i == i || o.dead || o.frozen {
			continue
		}
		if o.mesh.believed(o.mesh.peers[idOf(w.nodes[i].name)], o.mesh.votes()) == what {
			n++
		}
	}
	return n
}

// until runs until all others hold i for Down and returns how long that took.
func (w *world) until(i, others int) time.Duration {
	start := w.now
	for w.now.Sub(start) < time.Second {
		w.run(4 * time.Millisecond)
		if w.sees(i, Down) == others {
			return w.now.Sub(start)
		}
	}
	w.t.Fatalf("of %d others only %d saw the death of n%d within a second", others, w.sees(i, Down), i)
	return 0
}

func (w *world) up(t *testing.T) {
	t.Helper()
	w.run(time.Second)
	for _, n := range w.nodes {
		for _, s := range n.mesh.peers {
			if s.beats && s.state != Up {
				t.Fatalf("%s has not met %s", n.name, s.peer.Node)
			}
		}
	}
}

// A death is seen by everybody within 200 ms, whatever the size; a node that
// is well is held for dead by nobody.
func TestDeathIsSeen(t *testing.T) {
	for _, nodes := range []int{2, 3, 5, 16, 17, 60} {
		w := newWorld(t, nodes)
		w.up(t)
		w.nodes[1].dead = true
		if took := w.until(1, nodes-1); took > 200*time.Millisecond {
			t.Errorf("%d nodes: seen after %v", nodes, took)
		}
		for i := range w.nodes {
			if n := w.sees(i, Down); i != 1 && n > 0 {
				t.Errorf("%d nodes: n%d is held for dead by %d", nodes, i, n)
			}
		}
	}
}

// 500 nodes: what one of them sends and receives at rest and when another dies.
func TestFiveHundred(t *testing.T) {
	const nodes = 500
	w := newWorld(t, nodes)
	w.up(t)
	most := func() (sent, received int) {
		for _, n := range w.nodes {
			sent, received = max(sent, n.sent), max(received, n.received)
			n.sent, n.received = 0, 0
		}
		return sent, received
	}
	most()
	w.run(time.Second)
	sent, received := most()
	t.Logf("at rest, a second: the busiest node sends %d packets and receives %d", sent, received)
	if bound := degree*20 + degree; sent > bound || received > bound {
		t.Errorf("more than %d", bound)
	}
	w.nodes[7].dead = true
	took := w.until(7, nodes-1)
	w.run(time.Second - took)
	sent, received = most()
	t.Logf("a death: all %d others saw it after %v; in that second the busiest node sent %d packets and received %d, the largest of %d bytes",
		nodes-1, took, sent, received, w.largest)
	if took > 200*time.Millisecond {
		t.Errorf("seen after %v", took)
	}
	// Each watcher tells everybody once, and proves itself to those that ask.
	if bound := degree*20 + 3*nodes; sent > bound || received > bound {
		t.Errorf("more than %d", bound)
	}
	for i := range w.nodes {
		if n := w.sees(i, Down); i != 7 && n > 0 {
			t.Errorf("n%d is held for dead by %d", i, n)
		}
	}
}

// Ten minutes with 5 % of packets lost each way: nobody is held for dead.
func TestLoss(t *testing.T) {
	w := newWorld(t, 4)
	w.up(t)
	w.loss = .05
	for range 12000 {
		w.run(50 * time.Millisecond)
		for i := range w.nodes {
			if n := w.sees(i, Down); n > 0 {
				t.Fatalf("after %v n%d is held for dead by %d", w.now.Sub(time.Unix(1000, 0)), i, n)
			}
		}
	}
	w.nodes[2].dead = true
	if took := w.until(2, 3); took > 250*time.Millisecond { // a word may be lost as well: the next beat repeats it
		t.Errorf("a death among losses was seen after %v", took)
	}
}

// A path that breaks between two nodes only is no death of either.
func TestBrokenPath(t *testing.T) {
	w := newWorld(t, 3)
	w.up(t)
	w.cut = func(a, b int) bool { return a+b == 1 } // n0 – n1
	w.run(2 * time.Second)
	for i := range w.nodes {
		if n := w.sees(i, Down); n > 0 {
			t.Errorf("n%d is held for dead by %d", i, n)
		}
		if w.nodes[i].mesh.view().Alone {
			t.Errorf("n%d holds itself for cut off", i)
		}
	}
}

// A node that loses all others knows that it is the one; so do both of two,
// and one that is not heard although it hears.
func TestCutOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nodes int
		cut   func(a, b int) bool
		alone string // of n0 and n1
	}{
		{"one of three", 3, func(a, b int) bool { return a == 0 || b == 0 }, "true false"},
		{"one of forty", 40, func(a, b int) bool { return a == 0 || b == 0 }, "true false"},
		{"both of two", 2, func(a, b int) bool { return true }, "true true"},
		{"it hears and is not heard", 3, func(a, b int) bool { return a == 0 }, "true false"},
		{"it is heard and does not hear", 3, func(a, b int) bool { return b == 0 }, "true false"},
		{"halves", 4, func(a, b int) bool { return a/2 != b/2 }, "false false"},
	} {
		w := newWorld(t, tt.nodes)
		w.up(t)
		w.cut = tt.cut
		w.run(220 * time.Millisecond)
		alone := func() string {
			return fmt.Sprint(w.nodes[0].mesh.view().Alone, " ", w.nodes[1].mesh.view().Alone)
		}
		if got := alone(); got != tt.alone {
			t.Errorf("%s: alone %s, want %s", tt.name, got, tt.alone)
		}
		w.cut = nil
		w.run(time.Second)
		if got := alone(); got != "false false" {
			t.Errorf("%s, healed: alone %s", tt.name, got)
		}
		for i := range w.nodes {
			if n := w.sees(i, Down); n > 0 {
				t.Errorf("%s, healed: n%d is held for dead by %d", tt.name, i, n)
			}
		}
	}
}

// The two halves of a large cluster see each other go.
func TestHalvesOfMany(t *testing.T) {
	w := newWorld(t, 60)
	w.up(t)
	w.cut = func(a, b int) bool { return a%2 != b%2 }
	w.run(300 * time.Millisecond)
	for i := range w.nodes {
		if n := w.sees(i, Down); n != 30 {
			t.Errorf("n%d is held for dead by %d, want the 30 of the other half", i, n)
		}
	}
}

// A frozen node is found dead by the others. When it thaws it calls nobody
// dead, and learns at once that it was.
func TestFrozen(t *testing.T) {
	for _, nodes := range []int{2, 3, 30} {
		w := newWorld(t, nodes)
		w.up(t)
		w.nodes[0].frozen = true
		w.until(0, nodes-1)
		w.run(2 * time.Second)
		before := w.nodes[0].mesh.view().Cuts
		w.thaw(0)
		w.run(100 * time.Millisecond)
		v := w.nodes[0].mesh.view()
		if v.Cuts == before {
			t.Errorf("%d nodes: it does not know that it was held for dead", nodes)
		}
		for node, state := range v.States {
			if state == Down {
				t.Errorf("%d nodes: it calls %s dead", nodes, node)
			}
		}
		w.run(500 * time.Millisecond)
		if n := w.sees(0, Down); n > 0 || w.nodes[0].mesh.view().Alone {
			t.Errorf("%d nodes: after the thaw it is held for dead by %d", nodes, n)
		}
	}
}

// A process that was away for a moment holds nobody for dead.
func TestOwnStall(t *testing.T) {
	w := newWorld(t, 3)
	w.up(t)
	for _, away := range []time.Duration{60, 120, 140} {
		w.nodes[0].frozen = true
		w.run(away * time.Millisecond)
		w.thaw(0)
		w.run(time.Second)
		if len(w.nodes[0].mesh.found) > 0 {
			t.Errorf("away for %d ms: calls somebody dead", away)
		}
	}
}

// A node that says goodbye is not found dead, and one that comes back as
// another process is up again at once.
func TestGoodbyeAndNewLife(t *testing.T) {
	w := newWorld(t, 3)
	w.up(t)
	old := w.nodes[1]
	old.mesh.goodbye()
	w.carry(old)
	old.dead = true
	w.run(time.Second)
	if n := w.sees(1, Down) + w.sees(1, Up); n > 0 {
		t.Errorf("after goodbye %d others have an opinion", n)
	}
	w.reborn(1)
	w.run(20 * time.Millisecond)
	if n := w.sees(1, Up); n != 2 {
		t.Errorf("reborn: up with %d of 2", n)
	}
	w.reborn(1) // too fast for anybody to notice
	w.run(300 * time.Millisecond)
	if n := w.sees(1, Up); n != 2 {
		t.Errorf("reborn again: up with %d of 2", n)
	}
}

// A process that crashes on a node that lives is not found dead: its host says
// that nobody listens. Once that is gone as well, nobody may think otherwise.
func TestProcessEnds(t *testing.T) {
	w := newWorld(t, 3)
	w.up(t)
	w.nodes[1].dead, w.nodes[1].refuses = true, true
	w.run(time.Second)
	if n := w.sees(1, Vacant); n != 2 {
		t.Errorf("of 2 others %d see that its process ended, %d call it dead", n, w.sees(1, Down))
	}
	w.nodes[1].refuses = false
	w.run(vacantFor + time.Second)
	if n := w.sees(1, Vacant); n > 0 {
		t.Errorf("%d take the node for alive, which has not said a word", n)
	}
	w.reborn(1)
	w.run(time.Second)
	w.nodes[1].dead = true
	w.until(1, 2)
}

// reborn starts a new process on node i.
func (w *world) reborn(i int) {
	n := w.nodes[i]
	var peers []Peer
	for at, o := range w.at {
		peers = append(peers, Peer{o.name, at})
	}
	n.mesh, n.dead = newMesh(DefaultTuning, n.name, w.rnd.Uint64()|1), false
	n.mesh.apply(peers, w.now)
	w.schedule(n, true)
}

// Packets that were recorded are worth nothing: not in the same life of both,
// not after goodbye, not to keep a dead node alive, not to accuse anybody.
func TestReplay(t *testing.T) {
	w := newWorld(t, 3)
	w.up(t)
	var tape []packet
	record := func(d time.Duration) {
		for range d / time.Millisecond {
			w.run(time.Millisecond)
			for _, a := range w.queue {
				if a.to.i == 0 && a.pkt != nil {
					tape = append(tape, *a.pkt)
				}
			}
		}
	}
	play := func() {
		for _, p := range tape {
			w.nodes[0].mesh.receive(p, w.now)
			w.carry(w.nodes[0])
		}
	}
	record(200 * time.Millisecond)
	w.nodes[1].dead = true
	record(400 * time.Millisecond) // n2 accuses n1 on it
	for range 100 {
		w.run(5 * time.Millisecond)
		play()
	}
	if w.nodes[0].mesh.view().States["n1"] != Down {
		t.Error("a tape keeps a dead node alive")
	}
	w.reborn(1)
	record(500 * time.Millisecond)
	play()
	w.run(time.Second)
	if got := w.nodes[0].mesh.view().States; got["n1"] != Up || got["n2"] != Up {
		t.Errorf("after the tape n0 sees %v", got)
	}
	w.nodes[1].mesh.goodbye()
	w.carry(w.nodes[1])
	w.nodes[1].dead = true
	record(300 * time.Millisecond)
	play()
	if got := w.nodes[0].mesh.view().States["n1"]; got != Unknown {
		t.Errorf("a tape brings back who said goodbye: %v", got)
	}
}

// A node that stops being told of is forgotten, and known again later although
// its process is the same.
func TestPeerGoesAndComes(t *testing.T) {
	w := newWorld(t, 2)
	w.up(t)
	all := []Peer{}
	for at, o := range w.at {
		all = append(all, Peer{o.name, at})
	}
	w.nodes[0].mesh.apply(nil, w.now)
	w.run(50 * time.Millisecond)
	if len(w.nodes[0].mesh.view().States) > 0 {
		t.Error("not forgotten")
	}
	w.nodes[0].mesh.apply(all, w.now)
	w.schedule(w.nodes[0], false)
	w.run(400 * time.Millisecond)
	if w.sees(0, Up) != 1 || w.sees(1, Up) != 1 {
		t.Error("they do not meet again")
	}
}
