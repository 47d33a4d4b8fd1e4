package engine

import (
	"slices"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// What a branch sends of an answer goes as far as the client's windows have room. The
// rest waits in memory of the loop, and more is not read from the endpoint until it went.

// takes is how much the client's windows have room for.
func (b *branch) takes(most int) int {
	m := b.trunk.h2
	room := m.Room(b.id)
	if room == 0 {
		m.Await(b.id)
	}
	return min(room, most)
}

func (b *branch) proceed() { b.respond(100, nil, false) }

func (b *branch) interim(res *http.Response) { b.respond(res.Status, b.exported(res), false) }

func (b *branch) head(res *http.Response, _ bool) {
	fields := stampAt(b.trunk.d.w.loop.Now()).complete(b.exported(res), res)
	b.whole = res.Length == 0
	b.respond(res.Status, fields, b.whole)
}

// exported are the fields of an answer, in memory of the loop.
func (b *branch) exported(res *http.Response) []hpack.Field {
	w := b.trunk.d.w
	w.export = res.AppendExport(w.export[:0])
	w.fields = compressed(w.fields[:0], w.export)
	return w.fields
}

// respond sends a head. If that cannot be, what follows it will tell.
func (b *branch) respond(status int, fields []hpack.Field, end bool) {
	if b.trunk.d.w.e.leaving.Load() {
		b.trunk.h2.Shutdown()
	}
	_ = b.trunk.h2.Respond(b.id, status, fields, end)
}

// data sends the piece before, which is not the last then.
func (b *branch) data(piece []byte) {
	b.send(false)
	b.held = piece
}

// send sends the piece that was held, as far as there is room.
func (b *branch) send(end bool) {
	piece := b.held
	b.held = nil
	if b.pending() == 0 && (len(piece) > 0 || end) {
		n, _ := b.trunk.h2.Send(b.id, piece, end)
		piece = piece[n:]
		b.told = b.trunk.d.w.now()
	}
	if len(piece) > 0 {
		if b.out == nil {
			b.out = b.trunk.d.w.lend()
		}
		b.out = append(b.out, piece...)
	}
}

func (b *branch) end(trailers []http.Field) {
	switch {
	case b.whole:
	case len(trailers) > 0:
		b.send(false)
		b.closing, b.last = true, trailers
	default:
		b.send(b.pending() == 0)
		b.closing = true
	}
	_ = b.push()
}

// push sends what waits, and the end after it.
func (b *branch) push() error {
	m := b.trunk.h2
	if n := b.pending(); n > 0 {
		n, err := m.Send(b.id, b.out[b.sent:], b.closing && len(b.last) == 0)
		if b.sent += n; err != nil {
			return lost(err)
		}
		if n > 0 {
			b.told, b.until[forClient] = b.trunk.d.w.now(), 0
		}
		if b.pending() > 0 {
			b.last = cloned(b.last)
			if b.until[forClient] == 0 {
				b.trunk.d.w.await(&b.timing, forClient, b.trunk.opts.Client)
			}
			return nil
		}
		b.discard()
	}
	if b.closing && len(b.last) > 0 {
		w := b.trunk.d.w
		w.fields = compressed(w.fields[:0], b.last)
		_ = m.Trailers(b.id, w.fields)
	}
	if b.closing {
		b.closing, b.last, b.whole = false, nil, true
		if b.x == nil {
			b.finished()
		}
	}
	return nil
}

// cloned are fields that outlive what they were read from.
func cloned(list []http.Field) []http.Field {
	if len(list) == 0 {
		return nil
	}
	out := slices.Clone(list)
	for i := range out {
		out[i].Name, out[i].Value = slices.Clone(out[i].Name), slices.Clone(out[i].Value)
	}
	return out
}

func (b *branch) discard() {
	b.trunk.d.w.reclaim(b.out)
	b.out, b.sent = nil, 0
}

func (b *branch) flush() error {
	if b.held != nil {
		b.send(false)
	}
	return b.push()
}

func (b *branch) answer(err error, _ bool) error {
	a := answerTo(err)
	bare := b.bare || a.Bare()
	b.respond(a.Status, stampAt(b.trunk.d.w.loop.Now()).fields(a), bare)
	if b.whole = bare; !bare {
		b.held = []byte(a.Body)
		b.end(nil)
	}
	return nil
}
