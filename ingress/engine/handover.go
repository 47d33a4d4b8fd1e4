package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"
)

// errSwitched tells that the connection goes on with another protocol.
var errSwitched = errors.New("the backend switched to another protocol")

// handOver gives a connection to a goroutine for the rest of its life, with what was
// read of it and not used: HTTP/2, or a request for a backend that speaks that or TLS.
func (d *downstream) handOver(read []byte) {
	e := d.w.e
	in := buffer{b: bytes.Clone(read), w: len(read)}
	if client, err := d.detach(); err != nil {
		d.stuck(err)
	} else {
		c := d.conn(client)
		c.in = in
		e.own(c, c.serve)
	}
	d.forget()
}

// handOver gives a connection that goes on with another protocol, and the one to the
// backend, to goroutines: no more requests will come of it.
func (x *passage) handOver() {
	d, e, endpoint := x.d, x.d.w.e, x.endpoint
	down, up := slices.Concat(d.plain(), x.up.rest), slices.Concat(x.up.out[x.up.sent:], d.in.bytes())
	client, err := d.detach()
	server, failed := x.up.detach()
	delete(d.w.servers, x.up)
	noted, way := x.note, x.led
	d.x, x.note = nil, note{} // whose text goes along
	d.w.give(x)
	if err := errors.Join(err, failed); err != nil {
		d.stuck(err)
		closeOpen(client, server)
		endpoint.End()
		d.w.book.end(&noted, d.w.loop.Now(), way.pool, endpoint, err)
	} else {
		c := d.conn(client)
		c.in = buffer{b: up, w: len(up)}
		t := &exchange{work: e.borrow(), note: noted, led: way, c: c, client: c, asks: &c.asks, endpoint: endpoint, backend: &backend{TCPConn: server, wire: server}}
		c.asks.set(t.backend)
		e.own(c, func() {
			err := t.tunnel(server, &buffer{b: down, w: len(down)})
			t.release(false)
			t.shut(err)
			e.give(t.work)
		})
	}
	d.forget()
}

// plain is what is pending, unless TLS made it, which takes it along.
func (d *downstream) plain() []byte {
	if d.over != nil {
		return nil
	}
	return d.out[d.sent:]
}

// conn is the connection as goroutines have it. A client that is gone does not tell any
// more who it was.
func (d *downstream) conn(tcp *net.TCPConn) *conn {
	c := newConn(d.w.e, tcp, d.over != nil)
	if c.asker = d.asker; d.over != nil {
		c.wire = d.over
		b := under(d.over)
		b.TCPConn, b.link = tcp, nil
	}
	return c
}

// join gives a connection over TLS, of which nothing was read yet, to a loop.
func (c *conn) join(w *worker) {
	fd, err := duplicate(c.TCPConn)
	if err != nil {
		level.Warn(c.e.opts.Logger).Log("msg", "connection cannot be given to a loop", "peer", c.from, "err", err)
		return
	}
	over, e, from, two := c.wire.(*tls.Conn), c.e, c.asker, c.two
	c.wire, under(over).TCPConn = nil, nil
	e.ended.Add(1)
	if !w.loop.Post(func() { w.begin(fd, from, over, two) }) {
		_ = unix.Close(fd)
		e.ended.Done()
	}
}

// duplicate is one more descriptor of a socket.
func duplicate(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	var failed error
	err = raw.Control(func(from uintptr) { fd, failed = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, failed)
}

// stuck tells of a connection that is lost on its way to the goroutines.
func (d *downstream) stuck(err error) {
	level.Warn(d.w.e.opts.Logger).Log("msg", "connection cannot be handed over", "peer", d.from, "err", err)
}

// detach takes the connection from its loop.
func (l *link) detach() (*net.TCPConn, error) {
	if l.over != nil {
		under(l.over).first = bytes.Clone(l.out[l.sent:])
	}
	l.discard()
	l.w.loop.Remove(l.fd)
	f := os.NewFile(uintptr(l.fd), "")
	defer f.Close()
	l.fd = -1
	c, err := net.FileConn(f) // has a descriptor of its own
	if err != nil {
		return nil, fmt.Errorf("take from the loop: %w", err)
	}
	return c.(*net.TCPConn), nil
}

func closeOpen(conns ...*net.TCPConn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
}
