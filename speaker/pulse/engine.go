package pulse

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/thread"
)

const (
	openRetry = 500 * time.Millisecond // the node's address may come late at boot
	byes      = 3                      // of a process that ends, so that one arrives
	byeGap    = 5 * time.Millisecond   // between them
	leastWait = time.Millisecond       // what falls due within it is done together
	tellEvery = 250 * time.Millisecond // how often it is told that this works
)

// errGone is the cause of an end that nobody is told of: that of the speaker,
// which may be back in a moment, as the kernel of a living node says.
var errGone = errors.New("the speaker is gone")

// self says who this node is.
type self struct {
	Node   string
	Addr   netip.Addr
	Port   uint16
	Tuning Tuning
	// Leash is how long after the last word of the speaker this node says that it
	// lives; 0: for ever, since the speaker is this process.
	Leash time.Duration
}

// engine exchanges beats: a mesh, the clock and a socket.
type engine struct {
	self
	updates *feed.Latest[Update]

	mu    sync.Mutex // guards what follows
	keys  [][]byte   // the first signs, each verifies
	mesh  *mesh
	sock  *socket   // nil: not open
	word  time.Time // of the speaker, the last one
	count Counts
	last  View
	told  time.Time // when an update was given last
}

func newEngine(s self, keys [][]byte) *engine {
	var boot [8]byte
	_, _ = rand.Read(boot[:]) // never fails
	return &engine{
		self: s, keys: keys, updates: feed.NewLatest(mergeUpdates), word: time.Now(),
		mesh: newMesh(s.Tuning, s.Node, binary.BigEndian.Uint64(boot[:])|1), // never 0
	}
}

// apply makes peers the others; this node may be among them.
func (e *engine) apply(peers []Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mesh.apply(peers, time.Now())
	e.publish()
}

// rekey makes keys, which are not none, those from now on.
func (e *engine) rekey(keys [][]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys = keys
}

// listen notes that the speaker said something.
func (e *engine) listen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.word = time.Now()
}

// orphaned tells whether the speaker has said nothing for too long.
func (e *engine) orphaned() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.Leash > 0 && time.Since(e.word) > e.Leash
}

// run exchanges beats until ctx ends, and says goodbye unless the cause is errGone.
// It must not be called twice.
func (e *engine) run(ctx context.Context) {
	if !e.open(ctx) {
		return
	}
	done := make(chan struct{})
	go func() { // the thread that is urgent ends with it
		defer close(done)
		thread.Urgent()
		e.loop(ctx)
	}()
	<-done
	e.mu.Lock()
	defer e.mu.Unlock()
	if !errors.Is(context.Cause(ctx), errGone) {
		for range byes {
			e.mesh.goodbye()
			e.flush()
			time.Sleep(byeGap)
		}
	}
	e.sock.close()
	e.sock = nil
}

// open opens the socket, as often as it takes; false if ctx ended before.
func (e *engine) open(ctx context.Context) bool {
	for ctx.Err() == nil {
		sock, err := listen(netip.AddrPortFrom(e.Addr, e.Port))
		e.mu.Lock()
		if err == nil {
			e.sock = sock
			e.tell(nil)
			e.mu.Unlock()
			return true
		}
		e.mu.Unlock()
		e.updates.Put(Update{Problem: "cannot listen for heartbeats: " + err.Error()})
		_ = feed.Sleep(ctx, openRetry)
	}
	return false
}

// loop takes in packets and does what falls due until ctx ends. While the speaker
// says nothing it does neither: to the others this node is as frozen as that is.
func (e *engine) loop(ctx context.Context) {
	buf := make([]byte, maxSize+1)
	due := time.Now()
	for ctx.Err() == nil {
		if e.orphaned() {
			time.Sleep(e.Tuning.pollGap()) // who thaws must hear soon what it missed
			continue
		}
		e.sock.wait(min(time.Until(due), e.Tuning.Every)) // somebody may have a new peer for us, or end us
		e.mu.Lock()
		woken := time.Now()
		// All that waits is taken in before anybody's silence is judged.
		for n, ok := e.sock.receive(buf); ok; n, ok = e.sock.receive(buf) {
			e.receive(buf[:n], time.Now())
		}
		for to, refused, ok := e.sock.complaint(buf); ok; to, refused, ok = e.sock.complaint(buf) {
			if refused {
				e.mesh.refused(to, time.Now())
			}
		}
		isDue := !woken.Before(due)
		if isDue {
			e.step(woken.Sub(due))
		}
		now := time.Now()
		next := e.mesh.due(now)
		e.mu.Unlock()
		if least := now.Add(leastWait); next.Before(least) {
			next = least
		}
		if isDue || next.Before(due) { // never later: packets must not keep off what is due
			due = next
		}
	}
}

// step does what is due, late by so much.
func (e *engine) step(late time.Duration) {
	if late > e.Tuning.Every/2 {
		e.count.Stalls++
	}
	e.mesh.step(time.Now(), late)
	e.flush()
	e.publish()
}

// receive takes in one datagram and answers.
func (e *engine) receive(b []byte, now time.Time) {
	pkt, ok := open(b, e.keys)
	if !ok {
		e.count.Undecrypted++
		return
	}
	e.count.Received++
	e.mesh.receive(pkt, now)
	e.flush()
	e.publish()
}

// flush sends what the mesh has to say.
func (e *engine) flush() {
	buf := make([]byte, 0, maxSize)
	for _, d := range e.mesh.take() {
		e.sock.send(d.seal(buf[:0], e.keys[0]), d.to)
		e.count.Sent++
	}
}

// publish hands on the view if it changed, and now and then how it goes.
func (e *engine) publish() {
	if e.sock == nil {
		return // open says what goes wrong
	}
	if e.mesh.dirty {
		e.mesh.dirty = false
		if v := e.mesh.view(); !v.equal(e.last) {
			e.last = v
			e.tell(&v)
			return
		}
	}
	if time.Since(e.told) >= tellEvery {
		e.tell(nil)
	}
}

// tell tells how it goes, and what is believed, if v is new.
func (e *engine) tell(v *View) {
	e.told = time.Now()
	ev := e.mesh.events
	e.mesh.events.died = nil
	e.count.Unproven, e.count.Replayed, e.count.Revived = ev.unproven, ev.replayed, ev.revived
	sessions := map[State]int{}
	for _, s := range e.mesh.peers {
		if s.beats {
			sessions[s.state]++
		}
	}
	e.updates.Put(Update{View: v, Counts: e.count, Sessions: sessions, Died: ev.died})
}
