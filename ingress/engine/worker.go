package engine

import (
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config/poll"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

const (
	// turns is how often a connection goes on before others have their turn.
	turns = 16
	// pieceSize is how much is read at once of a message whose head, or next head,
	// may be among it, and streamSize of a body.
	pieceSize, streamSize = 16 << 10, 64 << 10
	// mostSpare bounds the memory, in pieces, that a loop keeps for later.
	mostSpare = 256
)

// worker is one loop of the driver by loops, with what it alone has: nothing of it
// is locked, for only the goroutine of its loop touches it.
type worker struct {
	e       *Engine
	number  int // of the worker
	loop    *poll.Loop
	doors   []*door
	clients map[*downstream]struct{}
	servers map[*upstream]struct{}
	sweeper alarm // while there are idle connections to endpoints
	came    bool  // a client lately
	book    book
	over    bool // all connections are cut, and those that come late

	// Memory of whoever has his turn; nothing stays in it.
	in, out []byte
	frames  []byte // in, of clients that speak HTTP/2: others are read from meanwhile
	res     http.Response
	export  []http.Field
	fields  []hpack.Field
	scratch h2.Scratch
	pipe    poll.Pipe // none: see newPipe

	// Memory for whoever needs it for a while.
	passages []*passage
	buffers  [][]byte // of smallBuffer bytes
	rests    [][]byte // for what could not be sent at once
	branches []*branch
}

func newWorker(e *Engine, number int) (*worker, error) {
	loop, err := poll.New()
	if err != nil {
		return nil, err
	}
	w := &worker{e: e, number: number, loop: loop, clients: map[*downstream]struct{}{}, servers: map[*upstream]struct{}{}, in: make([]byte, e.room+streamSize), frames: make([]byte, streamSize+pieceSize+1<<10)}
	w.sweeper.Owner, w.book.log = w, e.log
	w.newPipe()
	return w, nil
}

// now is the time since epoch.
func (w *worker) now() time.Duration { return w.loop.Now().Sub(epoch) }

// Expire closes connections to endpoints that were idle too long.
func (w *worker) Expire() {
	w.sweeper.rings = 0
	s, left := w.e.state.Load(), 0
	if s == nil {
		return
	}
	for _, e := range s.endpoints {
		left += e.stocks[w.number].sweep(w.loop.Now(), &w.e.opts)
	}
	if left > 0 {
		w.sweepLater()
	}
}

func (w *worker) sweepLater() { w.arm(&w.sweeper, w.now()+min(time.Second, w.e.opts.IdleFor)) }

// retire closes idle connections to the endpoints of before that now has not, has
// nothing be kept of them from now on, and gives up what is being opened to them.
func (w *worker) retire(before, now *state) {
	any := false
	for at, e := range before.endpoints {
		if now.endpoints[at] == nil {
			e.stocks[w.number].retire()
			any = true
		}
	}
	if !any {
		return
	}
	for u := range w.servers {
		if u.opening && u.endpoint.stocks[w.number].retired {
			u.x.fault = errRetired
			u.x.c.run()
		}
	}
}

// refuseNew has the kernel begin no more handshakes, and tells whether it will.
func (w *worker) refuseNew() (shut bool) {
	shut, w.came = true, false
	for _, d := range w.doors {
		shut = d.refuseNew() && shut
	}
	return shut
}

// cameLately tells whether a client came since it was asked the last time.
func (w *worker) cameLately() bool {
	came := w.came
	w.came = false
	return came
}

// takeLast takes the clients that the kernel accepted, and closes the listeners.
func (w *worker) takeLast() {
	for _, d := range w.doors {
		d.accept(1 << 16) // as many as a queue may hold
		d.close()
	}
}

// hurry has connections on which nothing is under way end soon.
func (w *worker) hurry() {
	for d := range w.clients {
		d.hurry()
	}
}

// cut ends all connections.
func (w *worker) cut() {
	w.over = true
	if n := len(w.clients); n > 0 {
		level.Info(w.e.opts.Logger).Log("msg", "cutting connections that did not end in time", "open", n)
	}
	for d := range w.clients {
		d.reset()
	}
}

// close frees what is left after the loop ended.
func (w *worker) close() error {
	for d := range w.clients {
		d.reset()
	}
	for _, d := range w.doors {
		d.close()
	}
	for u := range w.servers {
		u.close()
	}
	w.closePipe()
	return w.loop.Close()
}

// alarm is a timer whose end moves with every request, and hardly ever comes: the
// wheel hears of it only if it is to ring earlier than it would.
type alarm struct {
	poll.Timer
	rings time.Duration // since epoch; 0: it does not
}

// arm has an alarm ring at due or before.
func (w *worker) arm(a *alarm, due time.Duration) {
	if a.rings == 0 || due < a.rings {
		w.loop.Set(&a.Timer, max(0, due-w.now()))
		a.rings = due
	}
}

// borrow takes what a request needs.
func (w *worker) borrow() *passage {
	if n := len(w.passages); n > 0 {
		x := w.passages[n-1]
		w.passages = w.passages[:n-1]
		return x
	}
	return new(passage)
}

// give returns it, without what a large request made of it.
func (w *worker) give(x *passage) {
	if len(w.passages) == mostSpare {
		return
	}
	if x.large { // its head, which was given up, and what is made from that
		x.req, x.body, x.text, x.note.text = http.Request{}, nil, nil, nil
	}
	*x = passage{req: x.req, body: x.body[:0], text: x.text[:0], note: note{text: x.note.text}}
	w.passages = append(w.passages, x)
}

// lendBuffer gives an empty buffer its memory.
func (w *worker) lendBuffer(b *buffer) {
	if n := len(w.buffers); n > 0 && b.b == nil {
		b.b = w.buffers[n-1]
		w.buffers = w.buffers[:n-1]
	}
}

// reclaimBuffer takes the memory of an empty buffer back.
func (w *worker) reclaimBuffer(b *buffer) {
	if len(b.b) == smallBuffer && len(w.buffers) < mostSpare {
		w.buffers = append(w.buffers, b.b)
	}
	*b = buffer{}
}

// lend gives memory for what could not be sent.
func (w *worker) lend() []byte {
	if n := len(w.rests); n > 0 {
		b := w.rests[n-1]
		w.rests = w.rests[:n-1]
		return b
	}
	return nil
}

// reclaim takes it back.
func (w *worker) reclaim(b []byte) {
	if cap(b) > 0 && cap(b) <= 2*streamSize && len(w.rests) < mostSpare/16 {
		w.rests = append(w.rests, b[:0])
	}
}
