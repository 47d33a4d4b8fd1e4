package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// conn is a client's connection. But for hurry and cut, it is its goroutine's own.
type conn struct {
	*net.TCPConn
	asker
	e      *Engine
	server http.Server
	req    http.Request
	in     buffer

	waiting atomic.Bool             // for a request of which nothing came yet
	asks    atomic.Pointer[backend] // whom it waits for
}

func newConn(e *Engine, tcp *net.TCPConn) *conn {
	c := &conn{TCPConn: tcp, e: e, server: http.NewServer(e.opts.Limits)}
	if remote, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = remote.AddrPort().Addr().Unmap().WithZone("")
	}
	c.from = c.peer.String()
	if _, port, err := net.SplitHostPort(tcp.LocalAddr().String()); err == nil {
		c.port = port
	}
	return c
}

// serve answers one request after the other.
func (c *conn) serve() {
	for ok := c.next(c.e.opts.Header); ok; ok = c.next(c.e.opts.Idle) {
		if !c.answer() {
			return
		}
		if c.in.shrink() {
			c.req = http.Request{} // it is slices of what was given up
		}
	}
}

// next reads the head of the next request. It is false if there is none, or none
// that is answered further.
func (c *conn) next(patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	for {
		p, err := c.server.Next(c.in.bytes(), &c.req)
		c.in.use(p.Used)
		switch {
		case err != nil:
			c.refuse(err)
			return false
		case p.Kind == http.GotHead:
			return true
		case len(c.in.bytes()) > 0 && c.waiting.CompareAndSwap(true, false):
			deadline = time.Now().Add(c.e.opts.Header)
		}
		switch err := c.fill(deadline); {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded), c.waiting.Load():
			return false
		case time.Now().After(deadline):
			c.refuse(errSlowHead)
			return false
		}
	}
}

// fill reads once, and not longer than until deadline. It may end early with
// [os.ErrDeadlineExceeded] when the connection is hurried.
func (c *conn) fill(deadline time.Time) error {
	_ = c.SetReadDeadline(deadline)
	if c.e.finishing.Load() { // hurry may have come before that
		c.hurry()
	}
	_, err := c.in.fill(c.TCPConn, smallBuffer, c.e.room)
	return err
}

// hurry has a connection on which nothing is under way end soon. What a client
// sent in the last moment is served.
func (c *conn) hurry() {
	if c.waiting.Load() {
		_ = c.SetReadDeadline(time.Now().Add(lastWait))
	}
}

// cut ends a connection whatever is under way.
func (c *conn) cut() {
	_ = c.Close()
	if b := c.asks.Load(); b != nil {
		_ = b.Close()
	}
}

// refuse answers what is no valid request, and gives the client the time to read
// the answer.
func (c *conn) refuse(err error) {
	level.Debug(c.e.opts.Logger).Log("msg", "request refused", "peer", c.from, "err", err)
	c.server.Close()
	status, text := verdict(err)
	c.write(c.server.AppendAnswer(nil, status, text, serverField))
	c.linger()
}

// write sends to the client.
func (c *conn) write(b []byte) error {
	_ = c.SetWriteDeadline(time.Now().Add(c.e.opts.Client))
	_, err := c.Write(b)
	return err
}

// linger ends a connection in order: with unread bytes in our kernel, closing it
// would reset it, and the client might never see the answer.
func (c *conn) linger() {
	if c.CloseWrite() != nil || peek(c.TCPConn) == gone {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.Copy(io.Discard, c.TCPConn)
}
