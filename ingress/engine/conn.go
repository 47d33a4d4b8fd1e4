package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// conn is a client's connection. But for hurry and cut, it is its goroutine's own.
type conn struct {
	*net.TCPConn
	asker
	wire   wire // the same, or TLS over it; nil: a loop has it
	two    bool // it speaks HTTP/2
	fresh  bool // too little came without TLS to tell
	broken bool // it must not look as if it ended in order
	e      *Engine
	server http.Server
	req    http.Request
	in     buffer

	down []byte // for the client, during an exchange

	waiting atomic.Bool                   // for a request of which nothing came yet
	asks    hold                          // whom it waits for
	session atomic.Pointer[clientSession] // if it speaks HTTP/2
}

func newConn(e *Engine, tcp *net.TCPConn, secure bool) *conn {
	c := &conn{TCPConn: tcp, asker: asker{proto: "http"}, wire: tcp, e: e, server: http.NewServer(e.opts.Limits)}
	if c.fresh = !secure; secure {
		c.proto = "https"
	}
	if remote, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = remote.AddrPort().Addr().Unmap().WithZone("")
	}
	c.from = c.peer.String()
	if _, port, err := net.SplitHostPort(tcp.LocalAddr().String()); err == nil {
		c.port = port
	}
	return c
}

// serve serves the connection to its end.
func (c *conn) serve() {
	if !c.two {
		c.http1()
	}
	if c.two {
		c.http2()
	}
}

// http1 answers one request after the other, unless it is not HTTP/1.1 that the
// client speaks.
func (c *conn) http1() {
	for ok := c.next(c.e.opts.Header); ok; ok = c.next(c.e.opts.Idle) {
		if !c.exchange() {
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
		var p http.Piece
		var err error
		if c.fresh {
			c.sniff()
		}
		if !c.fresh {
			p, err = c.server.Next(c.in.bytes(), &c.req)
			c.in.use(p.Used)
		}
		switch {
		case c.two:
			return false
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

// sniff looks whether the client speaks HTTP/2 with prior knowledge (RFC 9113
// section 3.3).
func (c *conn) sniff() { c.two, c.fresh = h2.IsPreface(c.in.bytes()) }

// fill reads once, and not longer than until deadline. It may end early with
// [os.ErrDeadlineExceeded] when the connection is hurried.
func (c *conn) fill(deadline time.Time) error {
	_ = c.SetReadDeadline(deadline)
	if c.e.finishing.Load() { // hurry may have come before that
		c.hurry()
	}
	_, err := c.in.fill(c.wire, smallBuffer, c.e.room)
	return err
}

// hurry has a connection on which nothing is under way end soon. What a client
// sent in the last moment is served.
func (c *conn) hurry() {
	if s := c.session.Load(); s != nil {
		s.hurry()
		return
	}
	if c.waiting.Load() {
		_ = c.SetReadDeadline(time.Now().Add(lastWait))
	}
}

// leave closes the connection, over TLS with a word of farewell, without which the
// client could not tell the end from a cut (RFC 8446 section 6.1).
func (c *conn) leave() {
	if c.wire != nil && !c.broken {
		_ = c.wire.Close()
	}
	_ = c.Close()
}

// cut ends a connection whatever is under way.
func (c *conn) cut() {
	_ = c.Close()
	c.asks.end()
}

// refuse answers what is no valid request, and gives the client the time to read
// the answer.
func (c *conn) refuse(err error) {
	level.Debug(c.e.opts.Logger).Log("msg", "request refused", "peer", c.from, "err", err)
	c.server.Close()
	c.e.book.refused(time.Now(), &c.asker, accesslog.HTTP11, err)
	c.write(appendAnswer(nil, &c.server, err))
	c.linger()
}

// write sends to the client.
func (c *conn) write(b []byte) error {
	_ = c.SetWriteDeadline(time.Now().Add(c.e.opts.Client))
	_, err := c.wire.Write(b)
	return err
}

// linger ends a connection in order: with unread bytes in our kernel, closing it
// would reset it, and the client might never see the answer.
func (c *conn) linger() {
	if c.wire.CloseWrite() != nil || c.gone() {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerFor))
	_, _ = io.Copy(io.Discard, c.TCPConn)
}
