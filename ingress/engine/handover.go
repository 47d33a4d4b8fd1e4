package engine

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/go-kit/log/level"
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
		c := newConn(e, client, false)
		c.in, c.asker = in, d.asker // which a client that is gone does not tell any more
		e.own(c, c.serve)
	}
	d.forget()
}

// handOver gives a connection that goes on with another protocol, and the one to the
// backend, to goroutines: no more requests will come of it.
func (x *passage) handOver() {
	d, e, endpoint := x.d, x.d.w.e, x.endpoint
	down, up := slices.Concat(d.out[d.sent:], x.up.rest), slices.Concat(x.up.out[x.up.sent:], d.in.bytes())
	client, err := d.detach()
	server, failed := x.up.detach()
	delete(d.w.servers, x.up)
	noted, pool := x.note, x.pool
	d.x, x.note = nil, note{} // whose text goes along
	d.w.give(x)
	if err := errors.Join(err, failed); err != nil {
		d.stuck(err)
		closeOpen(client, server)
		endpoint.End()
		d.w.book.end(&noted, d.w.loop.Now(), pool, endpoint, err)
	} else {
		c := newConn(e, client, false)
		c.in = buffer{b: up, w: len(up)}
		t := &exchange{work: e.borrow(), note: noted, pool: pool, c: c, client: c, asks: &c.asks, endpoint: endpoint, backend: &backend{TCPConn: server, wire: server}}
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

// stuck tells of a connection that is lost on its way to the goroutines.
func (d *downstream) stuck(err error) {
	level.Warn(d.w.e.opts.Logger).Log("msg", "connection cannot be handed over", "peer", d.from, "err", err)
}

// detach takes the connection from its loop.
func (l *link) detach() (*net.TCPConn, error) {
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
