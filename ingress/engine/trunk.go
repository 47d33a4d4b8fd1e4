package engine

import (
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// trunk is what a client's connection of HTTP/2 in a loop is more than others are. Each
// stream is a branch, and its request a passage, but for those that loops cannot serve:
// they have goroutines, which tell the loop when there is something to send. All that
// is in it is guarded by mu, which nobody holds for long.
type trunk struct {
	clientSession
	d        *downstream
	branches map[uint32]*branch
	lent     bool // the output is in memory of the loop
	poked    bool // the loop will look soon
}

func newTrunk(d *downstream) *trunk {
	t := &trunk{d: d, branches: map[uint32]*branch{}}
	t.init(nil, nil, &d.w.e.opts, t.clientSession.act)
	t.h2 = h2.NewServer(d.w.e.opts.HTTP2, &d.w.scratch)
	t.poke = t.wake
	return t
}

// wake has the loop look. mu is held, by a goroutine that is not the loop's.
func (t *trunk) wake() {
	if !t.poked {
		t.poked = true
		t.d.w.loop.Post(t.look)
	}
}

// look sends what others gathered.
func (t *trunk) look() {
	t.mu.Lock()
	t.poked = false
	t.mu.Unlock()
	if t.d.fd >= 0 {
		t.d.ripe = true
		t.d.run()
		t.d.ripe = false
	}
}

// step does one thing, and tells whether it may be followed by another.
func (t *trunk) step() (again bool) {
	again, err := t.move()
	if err != nil {
		level.Debug(t.d.w.e.opts.Logger).Log("msg", "HTTP/2 connection ended", "peer", t.d.from, "err", err)
		t.d.close()
		return false
	}
	return again
}

// move reads, while there is something and the answers to it have room. What is to be
// sent waits until all that epoll told of had its turn: it is one write then.
func (t *trunk) move() (again bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.d
	t.lend()
	d.in.use(t.feed(d.in.bytes()))
	switch {
	case d.failed:
		return false, errClient
	case d.ripe || d.pending() > 0:
		if again, err := t.write(); again || err != nil {
			return again, err
		}
	}
	if d.readable && d.pending() <= mostPending && !t.h2.Stalled() && !t.h2.Done() {
		return t.read()
	}
	t.rest()
	switch {
	case d.pending() > 0:
	case len(t.h2.Output()) > 0:
		d.later()
	case t.h2.Done():
		t.endAll()
		d.phase = leaving
		return true, nil
	case d.until[forRequest] == 0:
		t.quietNow()
	}
	return false, nil
}

// read takes in what came.
func (t *trunk) read() (again bool, err error) {
	d := t.d
	b := d.w.frames
	left := copy(b, d.in.bytes())
	n, err := d.read(b[left : left+streamSize])
	b = b[:left+n]
	d.take(b[t.feed(b):])
	return err == nil, err
}

// feed acts on what came, and tells how much of it is done with.
func (t *trunk) feed(b []byte) (used int) {
	for now := t.d.w.loop.Now(); ; {
		ev, n, err := t.h2.Next(b[used:], now)
		used += n
		if err != nil || ev.Kind == h2.None {
			return used // of an error the machine itself tells the other side
		}
		t.event(ev)
	}
}

// event does what an event asks for.
func (t *trunk) event(ev h2.Event) {
	switch b := t.branches[ev.Stream]; {
	case ev.Kind == h2.Request:
		t.begin(ev)
	case b == nil:
		t.act(ev)
	default:
		b.event(ev)
	}
}

// write sends what was gathered, and tells whether there is more to do then.
func (t *trunk) write() (again bool, err error) {
	d := t.d
	if err := d.push(); err != nil {
		return false, err
	}
	out := t.h2.Output()
	if d.pending() > 0 || len(out) == 0 {
		return false, nil
	}
	if err := d.say(out); err != nil {
		return false, err
	}
	t.h2.Wrote(len(out))
	return true, nil
}

// lend has the output be gathered in memory of the loop.
func (t *trunk) lend() {
	if !t.lent && len(t.h2.Output()) == 0 {
		t.lent = t.h2.Lend(t.d.w.lend())
	}
}

// rest gives memory back that is of no use for the time being.
func (t *trunk) rest() {
	if t.lent && len(t.h2.Output()) == 0 {
		t.lent = false
		t.d.w.reclaim(t.h2.Reclaim())
	}
	if len(t.d.in.bytes()) == 0 {
		t.d.w.reclaimBuffer(&t.d.in)
	}
}

// begin begins a stream.
func (t *trunk) begin(ev h2.Event) {
	t.asked = true
	t.d.until[forRequest] = 0
	weight, ok := t.weigh(ev.Head)
	if !ok {
		t.h2.Reset(ev.Stream, h2.RefusedStream)
		t.quietNow()
		return
	}
	if x := t.admit(ev); x != nil {
		b := t.d.w.branch()
		b.trunk, b.id, b.ended, b.weight = t, ev.Stream, ev.End, weight
		b.Owner = b
		t.branches[ev.Stream] = b
		b.serve(x)
		return
	}
	t.heads -= weight
	if t.c == nil {
		t.c = &conn{asker: t.d.asker, e: t.d.w.e, book: &t.d.w.book}
	}
	t.clientSession.begin(ev)
	t.h2.Use(&t.scratch) // from now on it is not the loop alone that sends
}

// admit takes a request in that a loop can serve, or refuse; nil if that is for a
// goroutine.
func (t *trunk) admit(ev h2.Event) *passage {
	h := ev.Head
	if h.TooLarge || len(h.Protocol) > 0 {
		return nil
	}
	x := t.d.w.borrow()
	x.state = t.d.w.e.state.Load()
	x.fault = x.adopt(h, !ev.End, &t.opts.Limits)
	if x.fault == nil {
		x.fault = x.state.lead(&x.led, &x.req, &t.d.asker, t.opts)
	}
	if x.fault == nil && !x.pool.plain {
		t.d.w.give(x)
		return nil
	}
	return x
}

// quietNow tells whether there are no streams; the time for such a connection begins.
func (t *trunk) quietNow() bool {
	if len(t.branches)+len(t.streams) > 0 {
		return false
	}
	t.d.await(forRequest, t.opts.Idle)
	return true
}

// late ends a wait of the connection.
func (t *trunk) late(what wait) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case what == forRequest && len(t.branches)+len(t.streams) == 0:
		t.h2.GoAway(h2.NoError, "the connection was idle for long")
	case what == forLeave:
		t.h2.GoAway(h2.NoError, "")
	}
	t.d.later()
}

// hurry has the client open no more streams, and ends the connection when those that
// there are have ended. One that does not answer is not waited for.
func (t *trunk) hurry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h2.Shutdown()
	t.d.await(forLeave, lastWait)
	t.d.later()
}

// end ends all streams at once.
func (t *trunk) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endAll()
}

func (t *trunk) endAll() {
	for _, b := range t.branches {
		b.drop()
	}
	t.abandon()
	if t.err == nil {
		t.err = errOver
	}
	t.d.until[forRequest] = 0
	t.rest()
}
