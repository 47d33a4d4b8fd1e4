package engine

import (
	"crypto/tls"
	"fmt"

	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// downstream is a client's connection in a loop. An idle one has no memory but this.
type downstream struct {
	link
	asker
	server http.Server
	in     buffer
	x      *passage // the request under way; nil between requests
	fresh  bool     // too little came to tell whether it is HTTP/1.1
	begun  bool     // a part of the next request is there
	phase  phase
	queued bool // it has its turn later

	two  *trunk // what serves HTTP/2; nil: it speaks HTTP/1.1
	ripe bool   // others had their turn: what was gathered is to be sent

	timing
}

// phase is how far a client's connection is.
type phase uint8

const (
	serving   phase = iota
	leaving         // what is pending is the last
	lingering       // what still comes is thrown away
)

// begin serves a new client, which is counted already, without TLS or over it.
func (w *worker) begin(fd int, from asker, over *tls.Conn, two bool) {
	d := &downstream{link: link{w: w, fd: fd, over: over}, asker: from, server: http.NewServer(w.e.opts.Limits), fresh: over == nil}
	d.alarm.Owner = d
	if err := w.loop.Add(fd, d); err != nil {
		_ = unix.Close(fd)
		w.e.ended.Done()
		return
	}
	if over != nil { // what it read with the handshake is nothing that epoll tells
		under(over).link, d.readable = &d.link, true
	}
	if two {
		d.two = newTrunk(d)
	}
	w.clients[d] = struct{}{}
	w.book.open(d.proto).Add(1)
	w.came = true
	d.await(forRequest, w.e.opts.Header)
	switch {
	case w.over:
		d.reset()
	case w.e.finishing.Load():
		d.hurry()
	}
}

// Ready goes on with what happened to the client.
func (d *downstream) Ready(ev poll.Events) {
	if ev == 0 {
		d.queued, d.ripe = false, true
	}
	d.note(ev)
	if ev.Ended() && d.x != nil {
		d.x.mayBeGone()
	}
	d.run()
	d.ripe = false
}

// run goes on as far as it goes.
func (d *downstream) run() {
	for range turns {
		if d.fd < 0 || !d.step() {
			return
		}
	}
	d.later()
}

// later goes on when others had their turn.
func (d *downstream) later() {
	if d.fd >= 0 && !d.queued {
		d.queued = true
		d.w.loop.Later(d)
	}
}

// step does one thing, and tells whether it may be followed by another.
func (d *downstream) step() (again bool) {
	switch {
	case d.x != nil:
		return d.x.step()
	case d.two != nil && d.phase == serving:
		return d.two.step()
	case d.push() != nil:
		d.close()
		return false
	case d.pending() > 0: // first things first
		return false
	case d.phase == serving:
		return d.next()
	}
	return d.linger()
}

// next reads the head of the next request.
func (d *downstream) next() (again bool) {
	came := d.in.bytes()
	if d.fresh {
		var two bool
		if two, d.fresh = h2.IsPreface(came); two {
			if d.two = newTrunk(d); d.w.e.finishing.Load() {
				d.two.hurry()
			}
			return true
		}
	}
	if len(came) > 0 && !d.fresh {
		x := d.w.borrow()
		x.large = len(d.in.b) > smallBuffer
		p, err := d.server.Next(came, &x.req)
		d.in.use(p.Used)
		if p.Kind == http.GotHead {
			d.begun, d.x = false, x
			x.d, x.c, x.w, x.timing, x.from = d, d, d.w, &d.timing, &d.asker
			d.until[forRequest] = 0
			if !x.begin() {
				d.x = nil
				d.w.give(x)
				d.handOver(came)
				return false
			}
			return true
		}
		d.w.give(x)
		if err != nil {
			d.refuse(err)
			return true
		}
	}
	if !d.readable {
		d.rest()
		return false
	}
	d.w.lendBuffer(&d.in)
	n, err := d.read(d.in.room(smallBuffer, d.w.e.room))
	d.in.w += n
	if err != nil {
		d.close()
		return false
	}
	return true
}

// rest waits for more of a request.
func (d *downstream) rest() {
	switch {
	case len(d.in.bytes()) == 0:
		d.w.reclaimBuffer(&d.in)
	case !d.begun:
		d.begun = true
		d.await(forRequest, d.w.e.opts.Header)
	}
}

// finished goes on after an answer that is complete.
func (d *downstream) finished() {
	if !d.server.Finish() {
		d.phase = leaving
		return
	}
	d.await(forRequest, d.w.e.opts.Idle)
	if d.w.e.finishing.Load() {
		d.hurry()
	}
}

// refuse answers what is no valid request.
func (d *downstream) refuse(err error) {
	level.Debug(d.w.e.opts.Logger).Log("msg", "request refused", "peer", d.from, "err", err)
	d.until[forRequest] = 0
	d.server.Close()
	d.phase = leaving
	d.w.book.refused(d.w.loop.Now(), &d.asker, accesslog.HTTP11, err)
	if d.say(appendAnswer(d.w.out[:0], &d.server, err)) != nil {
		d.close()
	}
}

// say sends to the client.
func (d *downstream) say(b []byte) error {
	_, err := d.send(b)
	d.watch()
	return lost(err)
}

// push sends what is pending.
func (d *downstream) push() error {
	err := d.link.flush()
	d.watch()
	return lost(err)
}

// lost is an error of a client's connection.
func lost(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errClient, err)
}

// linger ends a connection in order: with unread bytes in our kernel, closing it
// would reset it, and the client might never see the answer.
func (d *downstream) linger() (again bool) {
	if d.phase == leaving {
		if d.over != nil {
			if d.farewell() != nil {
				d.close()
				return false
			}
			return true
		}
		if unix.Shutdown(d.fd, unix.SHUT_WR) != nil {
			d.close()
			return false
		}
		d.phase = lingering
		d.w.reclaimBuffer(&d.in)
		d.await(forLinger, lingerFor)
	}
	if !d.readable {
		return false
	}
	if _, err := d.read(d.w.in); err != nil {
		d.close()
		return false
	}
	return true
}

// hurry has a connection on which nothing is under way end soon. What a client sent
// in the last moment is served.
func (d *downstream) hurry() {
	if d.two != nil && d.phase == serving {
		d.two.hurry()
		return
	}
	if at := &d.until[forRequest]; *at != 0 && !d.begun {
		*at = min(*at, d.w.now()+lastWait)
		d.w.arm(&d.alarm, *at)
	}
}

// reset ends a connection so that the client notices that it did not get all.
func (d *downstream) reset() {
	if d.fd >= 0 {
		d.over = nil // which says nothing
		poll.ResetOnClose(d.fd)
		d.close()
	}
}

func (d *downstream) close() {
	if x := d.x; x != nil {
		d.x = nil
		x.release(false)
		d.w.book.end(&x.note, d.w.loop.Now(), x.pool, x.endpoint, errClient)
		d.w.give(x)
	}
	if d.two != nil {
		d.two.end()
	}
	_ = d.farewell() // to a client that may be gone
	d.forget()
	d.shut()
}

// gone tells whether the client ended the connection. Under TLS there may be unread
// bytes, which say so themselves, before the end.
func (d *downstream) gone() bool {
	if d.over != nil {
		return finished(d.fd)
	}
	return look(d.fd) == gone
}

// forget is for a connection that the loop has no more.
func (d *downstream) forget() {
	d.w.loop.Stop(&d.Timer)
	d.w.reclaimBuffer(&d.in)
	delete(d.w.clients, d)
	d.w.book.open(d.proto).Add(-1)
	d.w.e.ended.Done()
}

// take puts the rest of what was read elsewhere into the buffer.
func (d *downstream) take(rest []byte) {
	d.in.use(len(d.in.bytes()))
	if len(rest) > 0 {
		d.w.lendBuffer(&d.in)
		if len(d.in.b) < len(rest) {
			d.in.b = make([]byte, max(len(rest), smallBuffer))
		}
		d.in.w = copy(d.in.b, rest)
	}
}
