package relay

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
	"github.com/steelyard-lb/steelyard/l4proxy/relay/proxyproto"
)

const (
	attempts   = 3               // backends that are tried for one connection at most
	headerTime = 5 * time.Second // for a proxy to say who its client is
)

// conn is a connection of a client and the one to its backend.
type conn struct {
	w       *worker
	peer    netip.AddrPort // the client
	dst     netip.AddrPort // the frontend
	front   *frontend      // of the table when the connection came
	header  proxyproto.Header
	early   []byte // what came with, or instead of, the header of a proxy
	heads   bool   // that header is awaited
	group   *group
	backend netip.AddrPort   // that it is, or is being, connected to
	tried   []netip.AddrPort // and did not answer

	client, server end
	up, down       flow
	open           bool // the backend has accepted
	closed         bool
	queued         bool      // it has its turn later
	last           time.Time // anything happened
	limit          poll.Timer
}

// end is the socket of one side.
type end struct {
	c        *conn
	fd       int
	readable bool // as far as is known
	writable bool
	over     bool // the other side sends no more: read on to the end
	urgent   bool // it has sent urgent data: read on past them
	failed   bool
}

// begin takes a connection of a client.
func (w *worker) begin(fd int, peer netip.AddrPort, is6 bool) {
	w.e.accepted.Add(1)
	dst := destination(fd, is6)
	f := w.e.table.Load().frontends[dst]
	if f == nil {
		w.e.unknown.Add(1)
		poll.ResetOnClose(fd)
		_ = unix.Close(fd)
		return
	}
	c := &conn{w: w, peer: peer, dst: dst, front: f, header: proxyproto.Header{Src: peer, Dst: dst}, last: w.loop.Now()}
	c.client, c.server = end{c: c, fd: fd}, end{c: c, fd: -1}
	c.up, c.down = flow{w: w, from: &c.client, to: &c.server}, flow{w: w, from: &c.server, to: &c.client}
	c.limit.Owner = c
	w.conns[c] = struct{}{}
	w.e.open.Add(1)
	if err := w.loop.Add(fd, &c.client); err != nil {
		c.abort()
		return
	}
	if c.heads = f.believes(peer.Addr()); c.heads {
		w.loop.Set(&c.limit, headerTime)
		return
	}
	c.choose()
}

// hear reads the header that a proxy begins with.
func (c *conn) hear() {
	for c.client.readable {
		n, errno := poll.Read(c.client.fd, c.w.buf[:proxyproto.MaxV2])
		switch {
		case errno == unix.EAGAIN:
			c.client.readable = false
			return
		case errno != 0 || n == 0:
			c.refuse(&c.w.e.headless)
			return
		}
		c.early = append(c.early, c.w.buf[:n]...)
		h, size, err := proxyproto.Parse(c.early)
		if errors.Is(err, proxyproto.ErrShort) {
			continue
		}
		if err != nil {
			c.refuse(&c.w.e.headless)
			return
		}
		if h.Src.Addr().IsValid() { // else it is the proxy's own, and who it is is known
			c.header, c.peer = h, netip.AddrPortFrom(h.Src.Addr().Unmap(), h.Src.Port())
		}
		c.heads, c.early = false, c.early[size:]
		c.choose()
		return
	}
}

func (c *conn) refuse(count *atomic.Uint64) {
	count.Add(1)
	c.abort()
}

// choose finds out who serves the client.
func (c *conn) choose() {
	if c.group = c.w.e.table.Load().groupFor(c.dst, c.peer.Addr()); c.group == nil {
		c.refuse(&c.w.e.unknown)
		return
	}
	c.connect()
}

// connect begins to connect to the next backend. When none is left to try, the
// client is refused.
func (c *conn) connect() {
	for len(c.tried) < attempts {
		backend, ok := c.group.pick(c.peer, c.tried)
		if !ok {
			break
		}
		c.backend = backend
		if c.w.e.table.Load().comesBack(backend) {
			c.missed(unix.ELOOP)
			continue
		}
		fd, errno := poll.Dial(backend)
		if errno == 0 {
			if err := c.w.loop.Add(fd, &c.server); err == nil {
				c.server.fd = fd
				c.w.loop.Set(&c.limit, c.w.e.o.Connect)
				return
			}
			_ = unix.Close(fd)
		}
		c.missed(errno)
	}
	c.w.e.failed.Add(1)
	c.abort()
}

// missed notes that the backend did not take the connection.
func (c *conn) missed(errno unix.Errno) {
	c.w.e.attempts.Add(1)
	if errno == unix.EADDRNOTAVAIL {
		c.w.e.ports.Add(1)
	}
	c.tried = append(c.tried, c.backend)
}

// another gives this backend up; nothing was sent to it.
func (c *conn) another(errno unix.Errno) {
	c.missed(errno)
	c.hangUp()
	c.connect()
}

// hangUp ends the attempt to connect to a backend.
func (c *conn) hangUp() {
	poll.ResetOnClose(c.server.fd)
	c.w.loop.CloseFD(c.server.fd)
	c.server = end{c: c, fd: -1}
}

// orphan ends what was led to a backend that is none any more. A client that is
// not connected yet is led to one of those there are now.
func (c *conn) orphan(t *table) {
	if c.open {
		c.w.e.orphaned.Add(1)
		c.abort()
		return
	}
	if c.group = t.groupFor(c.dst, c.peer.Addr()); c.group == nil {
		c.w.e.failed.Add(1)
		c.abort()
		return
	}
	c.front, c.tried = t.frontends[c.dst], nil
	c.hangUp()
	c.connect()
}

// connected begins to relay, with the header in front.
func (c *conn) connected() {
	c.open = true
	if c.front.version == proxyproto.V2 && c.header.UniqueID == "" {
		c.header.UniqueID = c.w.nextID()
	}
	c.up.head = append(c.header.Append(make([]byte, 0, proxyproto.MaxV1), c.front.version), c.early...)
	c.early = nil
	c.w.loop.Set(&c.limit, c.w.e.o.Idle)
	c.relay()
}

// Ready goes on with what happened to one of the sockets.
func (e *end) Ready(ev poll.Events) {
	e.readable = e.readable || ev.Readable()
	e.writable = e.writable || ev.Writable()
	e.over = e.over || ev.Ended()
	e.urgent = e.urgent || ev.Urgent()
	e.failed = e.failed || ev.Failed()
	c := e.c
	switch {
	case c.open:
		c.relay()
	case e == &c.client && e.failed:
		c.abort() // it went before there was a backend
	case c.heads:
		c.hear()
	case e == &c.server && e.writable:
		if errno := poll.Failure(e.fd); errno != 0 {
			c.another(errno)
			return
		}
		c.connected()
	}
}

// Ready goes on with what took too long to do at once.
func (c *conn) Ready(poll.Events) {
	c.queued = false
	if !c.closed {
		c.relay()
	}
}

// relay moves bytes both ways as far as it goes. Answers come first: a backend
// that says why it takes no more is heard.
func (c *conn) relay() {
	c.last = c.w.loop.Now()
	again := false
	for _, f := range [...]*flow{&c.down, &c.up} {
		more, errno := f.pump()
		if errno != 0 {
			c.abort()
			return
		}
		again = again || more
	}
	switch {
	case c.up.done && c.down.done:
		c.close()
	case again:
		if !c.queued { // once is enough, however many events come meanwhile
			c.queued = true
			c.w.loop.Later(c)
		}
	case c.client.failed || c.server.failed:
		c.abort()
	}
}

// Expire ends the wait for a header, for a backend, or for anything to be said.
func (c *conn) Expire() {
	switch {
	case c.heads:
		c.refuse(&c.w.e.headless)
		return
	case !c.open:
		c.another(unix.ETIMEDOUT)
		return
	}
	if rest := c.w.e.o.Idle - c.w.loop.Now().Sub(c.last); rest > 0 {
		c.w.loop.Set(&c.limit, rest)
		return
	}
	c.w.e.idle.Add(1)
	c.abort()
}

// abort resets both sides: what one of them did not end in order is not shown to
// the other as if it had.
func (c *conn) abort() {
	for _, e := range [...]*end{&c.client, &c.server} {
		if e.fd >= 0 {
			poll.ResetOnClose(e.fd)
		}
	}
	c.close()
}

func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.w.loop.Stop(&c.limit)
	for _, e := range [...]*end{&c.client, &c.server} {
		if e.fd >= 0 {
			c.w.loop.CloseFD(e.fd)
		}
	}
	c.up.free()
	c.down.free()
	c.w.e.fromBytes.Add(c.up.moved)
	c.w.e.toBytes.Add(c.down.moved)
	delete(c.w.conns, c)
	c.w.e.open.Add(-1)
	if c.w.paused {
		c.w.resume()
	}
}
