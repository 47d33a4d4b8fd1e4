package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/go-kit/log/level"
)

// errSwitched tells that the connection goes on with another protocol.
var errSwitched = errors.New("the backend switched to another protocol")

// handOver gives a connection that goes on with another protocol, and the one to the
// backend, to goroutines: no more requests will come of it.
func (x *passage) handOver() {
	d, e, endpoint := x.d, x.d.w.e, x.endpoint
	down, up := slices.Concat(d.out[d.sent:], x.up.rest), slices.Concat(x.up.out[x.up.sent:], d.in.bytes())
	client, err := d.detach()
	server, failed := x.up.detach()
	delete(d.w.servers, x.up)
	d.x = nil
	d.w.give(x)
	if err := errors.Join(err, failed); err != nil {
		level.Warn(e.opts.Logger).Log("msg", "connection cannot be handed over", "peer", d.from, "err", err)
		closeOpen(client, server)
		endpoint.inFlight.Add(-1)
	} else {
		t := &exchange{work: e.borrow(), c: newConn(e, client), endpoint: endpoint, backend: &backend{TCPConn: server}}
		t.c.in, t.in = buffer{b: up, w: len(up)}, buffer{b: down, w: len(down)}
		t.c.asks.Store(t.backend)
		e.own(t.c, func() {
			_ = t.tunnel()
			t.release(false)
			e.give(t.work)
		})
	}
	d.forget()
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
