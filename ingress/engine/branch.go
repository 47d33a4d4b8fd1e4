package engine

import (
	"errors"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config/poll"
	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// branch is a stream of HTTP/2 in a loop, the [caller] of its passage. Its trunk's mu
// guards it.
type branch struct {
	trunk *trunk // nil: it is over
	id    uint32
	x     *passage // nil: all was answered, and some of that waits
	timing
	weight int  // of the head
	bare   bool // the answer has a head alone: the request is HEAD
	queued bool

	body     []byte // that came and was not passed on
	taken    []byte // of its reader, who takes turns with body
	ended    bool   // nothing more comes
	trailers []http.Field

	held    []byte // of the answer, a piece that may be the last
	out     []byte // of the answer, that has no room now, from sent on
	sent    int
	whole   bool // the head was all of the answer
	closing bool // what waits is the last
	last    []http.Field
	told    time.Duration // since epoch, when some of the answer was sent
}

// branch takes memory for a stream.
func (w *worker) branch() *branch {
	if n := len(w.branches); n > 0 {
		b := w.branches[n-1]
		w.branches = w.branches[:n-1]
		return b
	}
	return new(branch)
}

// adopt takes in a head whose memory is the machine's.
func (x *passage) adopt(h *h2.Head, open bool, lim *http.Limits) error {
	p := http.Pseudo{Open: open}
	text := slices.Grow(x.text[:0], len(h.Method)+len(h.Authority)+len(h.Path)+size(h.Fields))
	p.Method, text = saved(text, h.Method)
	p.Authority, text = saved(text, h.Authority)
	p.Path, text = saved(text, h.Path)
	x.req.Fields, x.text = copied(x.req.Fields[:0], text, h.Fields)
	x.large = cap(x.text) > smallBuffer || cap(x.req.Fields) > 4*mostSpare
	return x.req.Import(p, lim)
}

// serve begins with the request, or answers one that is refused.
func (b *branch) serve(x *passage) {
	w := b.trunk.d.w
	b.x, b.bare = x, string(x.req.Method) == "HEAD"
	x.c, x.w, x.timing, x.from = b, w, &b.timing, &b.trunk.d.asker
	w.book.begin(&x.note, w.loop.Now(), x.from, &x.req, accesslog.HTTP2)
	err := x.fault
	if x.fault = nil; err == nil {
		err = x.prepare()
	}
	if err != nil {
		x.end(err)
		return
	}
	b.goOn()
}

// event does what an event asks for.
func (b *branch) event(ev h2.Event) {
	switch ev.Kind {
	case h2.Data:
		b.ended = ev.End
		if b.x == nil || b.x.asked { // nobody takes it
			b.trunk.h2.Consumed(b.id, len(ev.Data))
		} else {
			b.body = append(b.body, ev.Data...)
		}
	case h2.Trailers:
		b.takeTrailers(ev)
	case h2.Reset:
		if ev.Ours {
			level.Debug(b.trunk.opts.Logger).Log("msg", "stream reset", "peer", b.trunk.d.from, "code", ev.Code, "err", ev.Reason)
		}
		b.drop()
		return
	case h2.Writable:
		_ = b.push()
	}
	b.goOn()
}

func (b *branch) takeTrailers(ev h2.Event) {
	list, _ := copied(nil, make([]byte, 0, size(ev.Fields)), ev.Fields)
	var h http.Head
	if err := h.ImportTrailers(list, &b.trunk.opts.Limits); err != nil {
		b.trunk.h2.Reset(b.id, h2.ProtocolError)
		b.drop()
		return
	}
	b.trailers, b.ended = h.Trailers, true
}

// run goes on with the request when something happened to its endpoint.
func (b *branch) run() {
	if t := b.trunk; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lend()
		b.goOn()
		t.d.later()
	}
}

// Ready goes on after others had their turn.
func (b *branch) Ready(poll.Events) {
	b.queued = false
	b.run()
}

// goOn goes on as far as it goes.
func (b *branch) goOn() {
	for range turns {
		if b.x == nil || !b.x.step() {
			return
		}
	}
	if !b.queued {
		b.queued = true
		b.trunk.d.w.loop.Later(b)
	}
}

// Expire ends the waits whose time has come.
func (b *branch) Expire() {
	t := b.trunk
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b.rings = 0
	w := t.d.w
	for what, ok := b.overdue(w.now()); ok; what, ok = b.overdue(w.now()) {
		switch {
		case b.x != nil:
			b.x.late(what)
		default: // what waits is not taken
			b.close()
		}
		if b.trunk == nil {
			break
		}
	}
	t.d.later()
	if b.trunk != nil {
		b.goOn()
	}
	if b.trunk != nil {
		w.again(&b.timing)
	}
}

func (b *branch) broken() bool { return b.trunk.d.failed }
func (b *branch) gone() bool   { return false } // who is, tells
func (b *branch) hears() bool  { return b.trunk.d.w.now()-b.told < b.trunk.opts.Client && b.told > 0 }
func (b *branch) pending() int { return len(b.out) - b.sent }
func (b *branch) letGo()       { b.x = nil }

func (b *branch) piece(x *passage) (http.Piece, error) {
	if len(b.body) > 0 {
		b.taken, b.body = b.body, b.taken[:0]
		b.trunk.h2.Consumed(b.id, len(b.taken))
		return http.Piece{Kind: http.Data, Data: b.taken}, nil
	}
	if b.ended {
		x.req.Trailers = b.trailers
		return http.Piece{Kind: http.End}, nil
	}
	return http.Piece{}, nil
}

func (b *branch) sendMore(x *passage) (again bool, err error) {
	out, n := x.w.out[:0], 0
	for p := (http.Piece{Kind: http.Data}); p.Kind == http.Data; {
		if p, err = b.piece(x); err != nil {
			return false, err
		}
		switch p.Kind {
		case http.Data:
			n += len(p.Data)
			if err := x.weigh(len(p.Data)); err != nil {
				return false, err
			}
			out = x.up.client.AppendData(out, p.Data)
		case http.End:
			x.ended = true
			out = x.up.client.AppendEnd(out, x.req.Trailers)
		}
	}
	if n > 0 {
		b.until[forBody] = 0
	}
	if len(out) > 0 {
		x.ask(out)
	}
	if n == 0 && !x.ended && b.until[forBody] == 0 {
		x.await(forBody, x.w.e.opts.Client)
	}
	return n > 0, nil
}

// finished ends the stream, if nothing waits any more; the client may not be at the end
// of the request, of which nobody needs the rest.
func (b *branch) finished() {
	if b.pending() > 0 {
		return
	}
	b.over(h2.NoError)
}

func (b *branch) reset() { b.over(h2.InternalError) }
func (b *branch) close() { b.over(h2.Cancel) }

func (b *branch) over(code h2.Code) {
	if b.trunk != nil {
		b.trunk.h2.Reset(b.id, code)
		b.forget()
	}
}

// drop is for a stream that is over on the other side.
func (b *branch) drop() {
	if x := b.x; x != nil {
		x.end(errDropped)
	} else if b.trunk != nil {
		b.forget()
	}
}

var errDropped = errors.Join(errClient, errOver)

// forget gives the memory back.
func (b *branch) forget() {
	t := b.trunk
	w := t.d.w
	w.loop.Stop(&b.Timer)
	b.discard()
	delete(t.branches, b.id)
	t.heads -= b.weight
	body, taken := b.body, b.taken
	if cap(body)+cap(taken) > smallBuffer {
		body, taken = nil, nil
	}
	*b = branch{queued: b.queued, body: body[:0], taken: taken[:0]}
	if len(w.branches) < mostSpare {
		w.branches = append(w.branches, b)
	}
	t.quietNow()
}
