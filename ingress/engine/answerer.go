package engine

import (
	"io"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// answerer is who is asked, as an exchange sees him: a connection of HTTP/1.1,
// which is his alone for the time, or a stream of HTTP/2.
type answerer interface {
	io.Closer // at any time

	// ask sends the head, and as much of the body as there is, with its end if that
	// is whole. It tells whether any of it may have arrived. What cannot be sent at
	// once is left for push, as unsent tells.
	ask(x *exchange, whole bool) (sent bool, err error)
	unsent() bool
	// pass gathers a piece of the body that follows, passEnd its end; push sends it.
	pass(data []byte)
	passEnd(trailers []http.Field)
	push() error

	// next is the next piece of the answer, of kind More if there is none, for which
	// wait waits. That ends with io.EOF where nothing more will come, which eof is
	// told; then the error says what is missing.
	next(*http.Response) (http.Piece, error)
	wait(until time.Time) error
	eof() error

	wakeNext() // ends wait
	wakePush() // ends push

	through() (wire, *buffer) // if another protocol begins, else nil
	done(sound bool)          // nobody needs it any more
}

func (b *backend) ask(x *exchange, whole bool) (sent bool, err error) {
	b.x = x
	x.up = x.appendRequest(x.up[:0], &b.client)
	b.pass(x.body)
	if whole {
		b.passEnd(x.req.Trailers)
	}
	n, err := b.send()
	return n > 0, err
}

func (b *backend) unsent() bool { return false }

func (b *backend) pass(data []byte) { b.x.up = b.client.AppendData(b.x.up, data) }

func (b *backend) passEnd(trailers []http.Field) { b.x.up = b.client.AppendEnd(b.x.up, trailers) }

func (b *backend) push() error {
	_, err := b.send()
	return err
}

// send writes what was gathered, and tells how much went.
func (b *backend) send() (int, error) {
	up := b.x.up
	if b.x.up = up[:0]; len(up) == 0 {
		return 0, nil
	}
	_ = b.SetWriteDeadline(time.Now().Add(b.x.opts.Send))
	if b.x.unneeded.Load() { // wakePush may have come before that
		return 0, errUnwanted
	}
	n, err := b.wire.Write(up)
	if err != nil {
		return n, &failure{errBrokeOff, err}
	}
	return n, nil
}

func (b *backend) next(res *http.Response) (http.Piece, error) {
	p, err := b.client.Next(b.x.in.bytes(), res)
	if err == nil {
		b.x.in.use(p.Used)
	}
	return p, err
}

func (b *backend) wait(until time.Time) error {
	_ = b.SetReadDeadline(until)
	n, err := b.x.in.fill(b.wire, largeBuffer, b.x.c.e.room)
	if n > 0 {
		return nil
	}
	return err
}

func (b *backend) eof() error { return b.client.EOF() }

func (b *backend) wakeNext() { _ = b.SetReadDeadline(past) }
func (b *backend) wakePush() { _ = b.SetWriteDeadline(past) }

func (b *backend) through() (wire, *buffer) {
	if !b.client.Switched() {
		return nil, nil
	}
	_ = b.SetDeadline(time.Time{})
	return b.wire, &b.x.in
}

// done keeps the connection if another request may follow on it.
func (b *backend) done(sound bool) {
	x := b.x
	if x == nil || !sound || x.cutOff || !b.client.Reusable() || len(x.in.bytes()) > 0 || b.hoards() {
		_ = b.Close()
		return
	}
	b.x = nil
	x.endpoint.put(b, time.Now(), &x.c.e.opts)
}

// hoards tells whether TLS read more off the socket than it gave out, where peek
// does not see it; or that the endpoint ended the connection.
func (b *backend) hoards() bool {
	if b.wire == wire(b.TCPConn) {
		return false
	}
	_ = b.SetReadDeadline(past)
	n, err := b.wire.Read(make([]byte, 1))
	return n > 0 || !late(err)
}
