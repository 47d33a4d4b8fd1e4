package engine

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// stream is what the streams of either side have in common: bytes both ways. What
// is in it is guarded by its session's mu, if nothing else is said.
type stream struct {
	s  *session
	id uint32

	body     []byte // that came and was not taken
	taken    []byte // of its reader, who takes turns with body
	owed     int    // taken, and not yet told to the machine
	ended    bool   // nothing more comes
	trailers []http.Field

	readable, writable chan struct{} // hold a word for who waits
	over               chan struct{} // closed when the stream is over before its time
	isOver             bool
	code               h2.Code // of the reset that ended it
	asks               hold    // whom it waits for
}

func newStream(s *session, id uint32) *stream {
	return &stream{s: s, id: id, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1), over: make(chan struct{})}
}

// errOver tells that a stream was reset, or its connection broke.
var errOver = errors.New("the stream is over")

// wake leaves a word for whoever waits, or is about to.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait waits for a word, for some time, or until the stream is over.
func (st *stream) wait(c chan struct{}, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c:
		return nil
	case <-st.over:
		return errOver
	case <-timer.C:
		return os.ErrDeadlineExceeded
	}
}

// take takes in a piece of the body. mu is held.
func (st *stream) take(ev h2.Event) {
	st.body, st.ended = append(st.body, ev.Data...), ev.End
	wake(st.readable)
}

// fail ends the stream before its time, and what is done for it. mu is held.
func (st *stream) fail() {
	if st.isOver {
		return
	}
	st.isOver = true
	close(st.over)
	st.asks.end()
}

// reset ends the stream both ways, if it is not over.
func (st *stream) reset(code h2.Code) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.s.h2.Reset(st.id, code)
	st.s.say()
}

// next is the next piece of what came, of kind More if nothing is there, and good
// until the next one. When all is taken more may come. mu is held.
func (st *stream) next() http.Piece {
	switch {
	case len(st.body) > 0:
		st.taken, st.body = st.body, st.taken[:0]
		st.owed += len(st.taken)
		return http.Piece{Kind: http.Data, Data: st.taken}
	case st.owed > 0:
		st.s.h2.Consumed(st.id, st.owed)
		st.owed = 0
		st.s.say()
	}
	if st.ended {
		return http.Piece{Kind: http.End}
	}
	return http.Piece{}
}

// send sends all of b, waiting for room where there is none.
func (st *stream) send(b []byte) error {
	for {
		st.s.mu.Lock()
		n, err := st.s.h2.Send(st.id, b, false)
		if b = b[n:]; len(b) > 0 {
			st.s.say()
		}
		st.s.mu.Unlock()
		if err != nil || len(b) == 0 {
			return err
		}
		if err := st.wait(st.writable, st.s.opts.Client); err != nil {
			return err
		}
	}
}

// finish sends the end, with trailers or without.
func (st *stream) finish(trailers []http.Field) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	var err error
	if len(trailers) > 0 {
		err = st.s.h2.Trailers(st.id, compressed(nil, trailers))
	} else {
		_, err = st.s.h2.Send(st.id, nil, true)
	}
	st.s.say()
	return err
}

// flush has what waits written.
func (st *stream) flush() {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.s.say()
}

// compressed appends fields as HTTP/2 takes them.
func compressed(dst []hpack.Field, list []http.Field) []hpack.Field {
	for _, f := range list {
		dst = append(dst, hpack.Field{Name: f.Name, Value: f.Value})
	}
	return dst
}

// copied appends copies of fields that came over HTTP/2; their bytes go to text.
func copied(dst []http.Field, text []byte, list []hpack.Field) ([]http.Field, []byte) {
	for _, f := range list {
		var name, value []byte
		name, text = saved(text, f.Name)
		value, text = saved(text, f.Value)
		dst = append(dst, http.Field{Name: name, Value: value})
	}
	return dst, text
}

// saved copies b to the end of text, which should have room: else older copies
// keep the memory that it had.
func saved(text, b []byte) (copied, grown []byte) {
	from := len(text)
	text = append(text, b...)
	return text[from:len(text):len(text)], text
}

// size is how many bytes names and values have.
func size(list []hpack.Field) (n int) {
	for _, f := range list {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

// tunnelled is a stream that carries another protocol.
type tunnelled struct {
	*stream
	until time.Time // for what Read waits for; zero: for ever
}

// Read waits for bytes.
func (t *tunnelled) Read(b []byte) (int, error) {
	for {
		n, patience, err := t.some(b)
		if n > 0 || err != nil {
			return n, err
		}
		if err := t.wait(t.readable, patience); err != nil {
			return 0, err
		}
	}
}

// some takes what is there, and says how long may be waited if nothing is.
func (t *tunnelled) some(b []byte) (n int, patience time.Duration, err error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	n = copy(b, t.body)
	t.body = t.body[:copy(t.body, t.body[n:])]
	t.s.h2.Consumed(t.id, n)
	t.s.say()
	if n == 0 && t.ended {
		return 0, 0, io.EOF
	}
	if t.until.IsZero() {
		return n, 1<<63 - 1, nil
	}
	return n, time.Until(t.until), nil
}

// Write sends all of b.
func (t *tunnelled) Write(b []byte) (int, error) {
	if err := t.send(b); err != nil {
		return 0, err
	}
	t.flush()
	return len(b), nil
}

// CloseWrite ends this side of the stream.
func (t *tunnelled) CloseWrite() error { return t.finish(nil) }

// Close ends the stream both ways.
func (t *tunnelled) Close() error {
	t.reset(h2.Cancel)
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.fail()
	return nil
}

// SetReadDeadline bounds how long Read waits.
func (t *tunnelled) SetReadDeadline(until time.Time) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.until = until
	wake(t.readable)
	return nil
}
