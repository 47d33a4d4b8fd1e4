package engine

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// clientSession is the server's side of HTTP/2. Each stream has a goroutine, and
// is an exchange as a request over HTTP/1.1 is. With a loop, see trunk, only those have
// that ask what loops cannot.
type clientSession struct {
	session
	c     *conn
	busy  sync.WaitGroup // goroutines of streams
	heads int            // what the heads of requests that are not over take; mu guards it
}

// mostHeads bounds that: a head that came as a few bytes, for it was compressed, may
// take 64 KiB and more.
const mostHeads = 1 << 20

// weigh counts the head of one more request, if there is room for it.
func (s *clientSession) weigh(h *h2.Head) (weight int, ok bool) {
	const field = 64 // beside its bytes
	weight = len(h.Method) + len(h.Authority) + len(h.Path) + len(h.Protocol) + size(h.Fields) + field*len(h.Fields)
	if s.heads > 0 && s.heads+weight > mostHeads {
		return 0, false
	}
	s.heads += weight
	return weight, true
}

// http2 serves a connection that speaks HTTP/2, until its end.
func (c *conn) http2() {
	s := &clientSession{c: c}
	s.init(c.TCPConn, c.wire, &c.e.opts, s.act)
	s.h2, s.in, c.in = h2.NewServer(c.e.opts.HTTP2, &s.scratch), c.in, buffer{}
	if c.session.Store(s); c.e.finishing.Load() { // hurry may have come before that
		s.hurry()
	}
	err := s.read(c.e.opts.Header, c.e.opts.Idle)
	s.leave()
	s.busy.Wait()
	if err == nil {
		c.linger()
	}
	level.Debug(c.e.opts.Logger).Log("msg", "HTTP/2 connection ended", "peer", c.from, "err", err)
}

// act does what an event asks for.
func (s *clientSession) act(ev h2.Event) {
	if ev.Kind == h2.Request {
		s.begin(ev)
		return
	}
	st := s.streams[ev.Stream]
	switch {
	case st == nil:
		if ev.Kind == h2.Data {
			s.h2.Consumed(ev.Stream, len(ev.Data))
		}
	case ev.Kind == h2.Data:
		st.take(ev)
	case ev.Kind == h2.Trailers:
		st.takeTrailers(ev, &s.opts.Limits)
	case ev.Kind == h2.Writable:
		wake(st.writable)
	case ev.Kind == h2.Reset:
		if ev.Ours {
			level.Debug(s.c.e.opts.Logger).Log("msg", "stream reset", "peer", s.c.from, "code", ev.Code, "err", ev.Reason)
		}
		st.fail()
	}
}

// begin begins a stream. There are at most twice as many goroutines as streams may
// be open: those of streams that are over, or were reset, count until they ended.
func (s *clientSession) begin(ev h2.Event) {
	s.asked = true
	if s.poke == nil {
		s.borrow()
	}
	weight, ok := s.weigh(ev.Head)
	if !ok || len(s.streams) >= 2*int(s.opts.HTTP2.Streams) {
		s.heads -= weight
		s.h2.Reset(ev.Stream, h2.RefusedStream)
		return
	}
	a := &asking{stream: newStream(&s.session, ev.Stream), c: s.c}
	a.ended = ev.End
	a.refused = a.adopt(ev)
	s.streams[ev.Stream] = a.stream
	s.busy.Add(1)
	s.c.e.ended.Go(func() {
		defer s.busy.Done()
		a.exchange()
		s.forget(a.stream, weight)
	})
}

// forget drops a request that nobody is about any more.
func (s *clientSession) forget(st *stream, weight int) {
	s.session.forget(st)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads -= weight
}

// hurry has the client open no more streams, and ends the connection when those
// that there are have ended.
func (s *clientSession) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.h2.Shutdown()
	s.say()
	time.AfterFunc(lastWait, func() { // a client that does not answer is not waited for
		s.mu.Lock()
		defer s.mu.Unlock()
		s.h2.GoAway(h2.NoError, "")
		s.settle()
		s.wakeReader()
	})
}

// takeTrailers ends a request's body.
func (st *stream) takeTrailers(ev h2.Event, lim *http.Limits) {
	list, _ := copied(nil, make([]byte, 0, size(ev.Fields)), ev.Fields)
	var h http.Head
	if err := h.ImportTrailers(list, lim); err != nil {
		st.s.h2.Reset(st.id, h2.ProtocolError)
		st.fail()
		return
	}
	st.trailers, st.ended = h.Trailers, true
	wake(st.readable)
}

// asking is a stream on which a client asks: the [requester] of an exchange.
type asking struct {
	*stream
	c       *conn
	req     http.Request
	refused error // what is wrong with the head
	fields  []hpack.Field
	whole   bool      // the head of the answer is all of it
	told    time.Time // when some of it was sent last

	tunnel bool   // extended CONNECT
	key    []byte // Sec-WebSocket-Key, which HTTP/2 does without
}

var errProtocol = &http.Error{Status: 501, Reason: "CONNECT is taken for WebSockets alone"}

// adopt takes the head in, whose memory is the machine's.
func (a *asking) adopt(ev h2.Event) error {
	h := ev.Head
	if h.TooLarge {
		return errTooLong
	}
	p := http.Pseudo{Open: !ev.End}
	text := make([]byte, 0, len(h.Method)+len(h.Authority)+len(h.Path)+len(h.Protocol)+size(h.Fields))
	p.Method, text = saved(text, h.Method)
	p.Authority, text = saved(text, h.Authority)
	p.Path, text = saved(text, h.Path)
	p.Protocol, text = saved(text, h.Protocol)
	a.req.Fields, _ = copied(make([]http.Field, 0, len(h.Fields)+1), text, h.Fields)
	if len(p.Protocol) > 0 {
		if !bytes.EqualFold(p.Protocol, []byte("websocket")) {
			return errProtocol
		}
		a.tunnel, a.key = true, webSocketKey()
		a.req.Fields = append(drop(a.req.Fields, "sec-websocket-key"), http.Field{Name: []byte("Sec-WebSocket-Key"), Value: a.key})
	}
	return a.req.Import(p, &a.c.e.opts.Limits)
}

func drop(list []http.Field, name string) []http.Field {
	kept := list[:0]
	for _, f := range list {
		if !bytes.EqualFold(f.Name, []byte(name)) {
			kept = append(kept, f)
		}
	}
	return kept
}

// webSocketKey makes a Sec-WebSocket-Key (RFC 6455 section 4.1).
func webSocketKey() []byte {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	return base64.StdEncoding.AppendEncode(nil, nonce[:])
}

// accepts tells whether the backend's answer is to this key (RFC 6455 section 4.2.2).
func accepts(list []http.Field, key []byte) bool {
	sum := sha1.Sum(append(bytes.Clone(key), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	want := base64.StdEncoding.AppendEncode(nil, sum[:])
	for _, f := range list {
		if bytes.EqualFold(f.Name, []byte("sec-websocket-accept")) {
			return bytes.Equal(f.Value, want)
		}
	}
	return false
}

// exchange serves the request.
func (a *asking) exchange() {
	if a.refused != nil {
		level.Debug(a.c.e.opts.Logger).Log("msg", "request refused", "peer", a.c.from, "err", a.refused)
		a.c.book.refused(time.Now(), &a.c.asker, accesslog.HTTP2, a.refused)
		a.answer(a.refused, false)
		return
	}
	x := &exchange{work: a.c.e.borrow(), c: a.c, client: a, req: &a.req, asks: &a.asks, state: a.c.e.state.Load()}
	x.open(accesslog.HTTP2)
	err := x.serve()
	defer func() {
		x.shut(err)
		a.c.e.give(x.work)
	}()
	switch {
	case err == nil:
		a.reset(h2.NoError) // if the client is not at its end: nobody needs the rest
	case x.answered:
		a.reset(h2.InternalError)
	case errors.Is(err, errClient):
		a.reset(h2.Cancel)
	default:
		x.fail(err)
	}
}

func (a *asking) piece() (http.Piece, error) {
	if a.tunnel { // what comes is no body
		return http.Piece{Kind: http.End}, nil
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	p := a.next()
	if p.Kind == http.End {
		a.req.Trailers = a.trailers
	}
	return p, nil
}

func (a *asking) await(unneeded *atomic.Bool) error {
	for {
		if unneeded.Load() { // interrupt may have come before that
			return errUnwanted
		}
		switch err := a.wait(a.readable, a.c.e.opts.Client); {
		case !late(err):
			return blame(err)
		case !a.hears():
			return errSlowBody
		}
	}
}

// hears tells whether the client was sent some of an answer in the time that it may
// be silent: many have no more to say for the time being than that they listen.
func (a *asking) hears() bool {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return time.Since(a.told) < a.c.e.opts.Client
}

// blame blames the client for the end of his stream.
func blame(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

func (a *asking) interrupt() { wake(a.readable) }

func (a *asking) proceed() error {
	a.respond(100, nil, false)
	return a.flush()
}

func (a *asking) interim(res *http.Response) error {
	a.respond(res.Status, compressed(nil, res.AppendExport(nil)), false)
	return nil
}

var errNoSwitch = &http.Error{Status: 502, Reason: "the backend did not go on with the protocol that was asked for"}

func (a *asking) head(res *http.Response, _ bool) error {
	status, list := res.Status, res.AppendExport(nil)
	if a.tunnel {
		switched := status == 101
		if switched && !accepts(list, a.key) || !switched && status < 300 {
			return errNoSwitch
		}
		if list = drop(list, "sec-websocket-accept"); switched {
			status = 200
		} else {
			a.tunnel = false
		}
	}
	a.fields = stampAt(time.Now()).complete(compressed(a.fields[:0], list), res)
	a.whole = res.Length == 0 && !a.tunnel
	a.respond(status, a.fields, a.whole)
	return nil
}

// respond sends a head. If that cannot be, what follows it will tell.
func (a *asking) respond(status int, fields []hpack.Field, end bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.c.e.leaving.Load() {
		a.s.h2.Shutdown()
	}
	_ = a.s.h2.Respond(a.id, status, fields, end)
}

func (a *asking) data(b []byte) error {
	err := a.send(b)
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.told = time.Now()
	return blame(err)
}

func (a *asking) end(trailers []http.Field) error {
	if a.whole {
		return a.flush()
	}
	return blame(a.finish(trailers))
}

func (a *asking) flush() error {
	a.stream.flush()
	return nil
}

func (a *asking) answer(err error, _ bool) {
	says := answerTo(err)
	a.respond(says.Status, stampAt(time.Now()).fields(says), says.Bare() || string(a.req.Method) == "HEAD")
	if a.send([]byte(says.Body)) == nil {
		_ = a.finish(nil)
	}
	a.reset(h2.NoError)
}

func (a *asking) gone() bool {
	select {
	case <-a.over:
		return true
	default:
		return false
	}
}

func (a *asking) through() (wire, *buffer) { return &tunnelled{stream: a.stream}, &buffer{} }
