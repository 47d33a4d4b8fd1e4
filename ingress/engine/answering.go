package engine

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// backendSession is the client's side of HTTP/2: a connection to an endpoint on
// which many requests are under way at once.
type backendSession struct {
	session
	e        *endpoint
	born     time.Time
	all      map[uint32]*answering
	promised int           // streams that are about to be opened
	known    bool          // settled is closed
	settled  chan struct{} // closed when the endpoint said how many it takes
	ended    chan struct{} // closed when the connection has
}

// opening is a connection that is being opened, for all who wait for one.
type opening struct {
	done chan struct{}
	err  error
}

// largestUnread bounds what an endpoint may send of an answer that its client does
// not read.
const largestUnread = 64 << 10

var (
	errCrowded     = &http.Error{Status: 503, Reason: "the backend takes no more requests at the moment"}
	errUnprocessed = &http.Error{Status: 502, Reason: "the backend refused the request before it looked at it"}
	errNoUpgrade   = &http.Error{Status: 501, Reason: "the backend of this route speaks HTTP/2, which has no upgrades"}
)

// rounds bounds how many connections one request opens that have no room for it.
const rounds = 3

// open finds a connection with room for a stream, or opens one. Whoever comes
// meanwhile waits for that one; if it has no room for all, the next one is opened.
func (e *endpoint) open(o *Options) (*answering, error) {
	opened := 0
	for end := time.Now().Add(o.Connect); ; {
		e.mu.Lock()
		for _, s := range e.sessions {
			if a := s.reserve(o); a != nil {
				e.mu.Unlock()
				return a, nil
			}
		}
		op := e.opening
		mine := op == nil
		if opened == rounds || time.Now().After(end) {
			e.mu.Unlock()
			return nil, errCrowded
		}
		if mine {
			opened++
			op = &opening{done: make(chan struct{})}
			e.opening = op
		}
		e.mu.Unlock()
		if mine {
			op.err = e.openSession(o)
			close(op.done)
		}
		if <-op.done; op.err != nil {
			return nil, op.err
		}
	}
}

// openSession opens a connection, and has it served until it ends.
func (e *endpoint) openSession(o *Options) error {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.opening = nil
	}()
	born := time.Now()
	tcp, over, err := e.connect(o)
	if err != nil {
		return err
	}
	s := &backendSession{e: e, born: born, all: map[uint32]*answering{}, settled: make(chan struct{}), ended: make(chan struct{})}
	s.init(tcp, over, o, s.act)
	limits := o.HTTP2
	limits.StreamWindow = min(limits.StreamWindow, largestUnread)
	limits.ConnWindow = limits.Streams * limits.StreamWindow // or clients that do not read would keep the others waiting
	s.h2 = h2.NewClient(limits, &s.scratch)
	e.mu.Lock()
	e.sessions = append(e.sessions, s)
	e.serving.Go(s.serve)
	e.mu.Unlock()
	return s.ready(o)
}

// ready waits until the endpoint has said how many streams it takes: of those that
// are too many it might refuse some whose body cannot be sent again.
func (s *backendSession) ready(o *Options) error {
	timer := time.NewTimer(time.Until(s.born.Add(o.Connect)))
	defer timer.Stop()
	select {
	case <-s.settled:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.useless() {
			s.end()
			return errCrowded
		}
		return nil
	case <-s.ended:
		return errNotHTTP2
	case <-timer.C:
		s.cut()
		return fmt.Errorf("wait for SETTINGS of endpoint: %w", os.ErrDeadlineExceeded)
	}
}

func (s *backendSession) serve() {
	err := s.read(s.opts.IdleFor, s.opts.IdleFor)
	s.leave()
	_ = s.wire.Close()
	close(s.ended)
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.sessions = slices.DeleteFunc(s.e.sessions, func(other *backendSession) bool { return other == s })
	level.Debug(s.opts.Logger).Log("msg", "HTTP/2 connection to endpoint ended", "addr", s.e.addr, "err", err)
}

// reserve returns a stream to be opened, if there is room; nil if there is none.
// A connection that is old, or useless, takes no more.
func (s *backendSession) reserve(o *Options) *answering {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		return nil
	}
	if time.Since(s.born) > o.MaxAge || s.useless() {
		s.end()
	}
	if s.err != nil || s.h2.CanOpen() <= s.promised {
		return nil
	}
	s.promised++
	return &answering{stream: newStream(&s.session, 0), s: s}
}

// useless tells whether nothing is under way and nothing can be. mu is held.
func (s *backendSession) useless() bool { return s.h2.CanOpen()+s.h2.Streams()+s.promised == 0 }

// end opens no more streams. mu is held.
func (s *backendSession) end() {
	s.h2.Shutdown()
	s.say()
	s.wakeReader()
}

// retire opens no more streams; those that there are go on.
func (s *backendSession) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// cut ends the connection.
func (s *backendSession) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(errOver)
}

// act does what an event asks for.
func (s *backendSession) act(ev h2.Event) {
	a := s.all[ev.Stream]
	switch {
	case ev.Kind == h2.Settings:
		if !s.known {
			s.known = true
			close(s.settled)
		}
	case a == nil:
		if ev.Kind == h2.Data {
			s.h2.Consumed(ev.Stream, len(ev.Data))
		}
	case ev.Kind == h2.Interim, ev.Kind == h2.Response:
		list, _ := copied(nil, make([]byte, 0, size(ev.Head.Fields)), ev.Head.Fields)
		a.heads = append(a.heads, answerHead{ev.Head.Status, list, !ev.End})
		a.ended = ev.End
		wake(a.readable)
	case ev.Kind == h2.Data:
		a.take(ev)
	case ev.Kind == h2.Trailers:
		list, _ := copied(nil, make([]byte, 0, size(ev.Fields)), ev.Fields)
		a.trailers, a.ended = list, true
		wake(a.readable)
	case ev.Kind == h2.Writable:
		wake(a.writable)
	case ev.Kind == h2.Reset:
		a.code = ev.Code
		a.fail()
	}
}

// answering is a stream on which an endpoint is asked: the [answerer] of an
// exchange.
type answering struct {
	*stream
	s     *backendSession
	x     *exchange
	began time.Time
	heads []answerHead // that came and were not taken

	gathered  []byte // of the body, to be sent
	end       bool   // and its end
	endFields []http.Field
	endSent   bool
}

type answerHead struct {
	status int
	fields []http.Field
	open   bool // more follows
}

func (a *answering) ask(x *exchange, whole bool) (sent bool, err error) {
	a.x = x
	client := http.NewClient(x.c.e.opts.Limits) // that writes the head
	x.up = x.appendRequest(x.up[:0], &client)
	h := h2.Head{Method: x.req.Method, Scheme: []byte("http"), Authority: x.req.Asked(), Path: x.target}
	if a.s.e.tls != nil {
		h.Scheme = []byte("https")
	}
	if len(h.Authority) == 0 {
		h.Authority = []byte(a.s.e.addr)
	}
	if x.req.HasQuery {
		h.Path = bytes.Join([][]byte{x.target, x.req.Query}, []byte("?"))
	}
	h.Fields = fieldsOf(x.up)
	if err := a.open(&h, whole && len(x.body) == 0 && len(x.req.Trailers) == 0); err != nil {
		return false, fmt.Errorf("%w: %w", errUnprocessed, err)
	}
	if a.pass(x.body); whole {
		a.passEnd(x.req.Trailers)
	}
	if a.some(); !a.unsent() {
		_ = a.push() // if the stream is over, there may be an answer all the same
	}
	return true, nil
}

// some sends what there is room for.
func (a *answering) some() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	n, _ := a.s.h2.Send(a.id, a.gathered, false)
	a.gathered = a.gathered[:copy(a.gathered, a.gathered[n:])]
	a.s.say()
}

func (a *answering) unsent() bool { return len(a.gathered) > 0 }

// fieldsOf are the fields of a head that was written for HTTP/1.1. Those about
// its connection do not travel over HTTP/2.
func fieldsOf(head []byte) (list []hpack.Field) {
	for i, line := range bytes.Split(head, []byte("\r\n")) {
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && i > 0 {
			list = append(list, hpack.Field{Name: name, Value: value})
		}
	}
	return list
}

// open opens the stream.
func (a *answering) open(h *h2.Head, end bool) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.promised--
	a.s.borrow()
	if a.isOver || a.s.err != nil { // nobody would tell of the end that was before
		return errOver
	}
	id, err := a.s.h2.Open(h, end)
	if err != nil {
		return err
	}
	a.id, a.endSent, a.s.asked, a.began = id, end, true, time.Now()
	a.s.streams[id], a.s.all[id] = a.stream, a
	return nil
}

func (a *answering) pass(data []byte) { a.gathered = append(a.gathered, data...) }

func (a *answering) passEnd(trailers []http.Field) { a.end, a.endFields = true, trailers }

func (a *answering) push() error {
	b, err := a.gathered, error(nil)
	if a.gathered = b[:0]; len(b) > 0 {
		err = a.send(b)
	}
	switch {
	case err != nil:
	case a.end && !a.endSent:
		a.endSent = true
		err = a.finish(a.endFields)
	default:
		a.flush()
	}
	if err == nil {
		return nil
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return a.broken(err)
}

func (a *answering) next(res *http.Response) (http.Piece, error) {
	limits := &a.x.c.e.opts.Limits
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if len(a.heads) > 0 {
		h := a.heads[0]
		a.heads, res.Fields = a.heads[1:], h.fields
		return http.Piece{Kind: http.GotHead}, res.Import(h.status, h.open, string(a.x.req.Method) == "HEAD", limits)
	}
	p := a.stream.next()
	switch {
	case p.Kind == http.End:
		return p, res.ImportTrailers(a.trailers, limits)
	case p.Kind == http.More && a.isOver:
		return p, a.broken(errOver)
	}
	return p, nil
}

// broken says why there is no answer, or not all of it. mu is held.
func (a *answering) broken(err error) error {
	if a.isOver && a.code == h2.RefusedStream {
		return fmt.Errorf("%w: %w", errUnprocessed, err)
	}
	return &failure{errBrokeOff, fmt.Errorf("%w: %v, connection: %v", err, a.code, a.s.err)}
}

func (a *answering) wait(until time.Time) error {
	if err := a.stream.wait(a.readable, time.Until(until)); late(err) {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	switch {
	case len(a.heads)+len(a.body) > 0 || a.ended:
		return nil
	case a.isOver:
		return a.broken(errOver)
	}
	return os.ErrDeadlineExceeded // it was a word of wakeNext
}

func (a *answering) eof() error { return errBrokeOff }

func (a *answering) wakeNext() { wake(a.readable) }
func (a *answering) wakePush() { _ = a.Close() }

func (a *answering) through() (wire, *buffer) { return nil, nil }

// Close ends the stream both ways.
func (a *answering) Close() error {
	a.reset(h2.Cancel)
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.fail()
	return nil
}

// done forgets the stream. A connection on which nothing at all came since the
// request began, long ago, gets no more.
func (a *answering) done(bool) {
	a.reset(h2.Cancel)
	a.s.mu.Lock()
	delete(a.s.all, a.id)
	if a.s.heard.Before(a.began) && time.Since(a.began) > a.s.opts.Connect {
		a.s.end()
	}
	a.s.mu.Unlock()
	a.s.forget(a.stream)
	if a.s.e.isRetired() { // and may have been before the connection was opened
		a.s.retire()
	}
}
