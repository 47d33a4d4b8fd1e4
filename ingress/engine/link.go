package engine

import (
	"io"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

// link is a connection of a loop, to a client or an endpoint: what is known of its
// socket, and what waits to be sent.
type link struct {
	w        *worker
	fd       int  // -1: closed
	readable bool // there may be something to read
	writable bool
	wary     bool   // more, or the end, may come after a read that brings less than it could
	urgent   bool   // there were urgent data, past which the kernel moves nothing by itself
	failed   bool   // it is of no more use
	out      []byte // to be sent, from sent on; nil if there is nothing
	sent     int
}

// note takes in what epoll tells.
func (l *link) note(ev poll.Events) {
	l.readable = l.readable || ev.Readable() || ev.Urgent()
	l.writable = l.writable || ev.Writable()
	l.wary = l.wary || ev.Ended() || ev.Urgent()
	l.urgent = l.urgent || ev.Urgent()
	l.failed = l.failed || ev.Failed()
}

// read reads once into b. No bytes and no error mean that there are none now.
func (l *link) read(b []byte) (int, error) {
	n, errno := poll.Receive(l.fd, b)
	switch {
	case errno == unix.EAGAIN:
		l.readable = false
		return 0, nil
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	case n < len(b) && !l.wary:
		l.readable = false
	}
	return n, nil
}

// readOn reads once, at most so many bytes, into the memory of the loop, behind the
// rest of what was read before.
func (l *link) readOn(rest []byte, most int) (b []byte, n int, err error) {
	b = l.w.in
	left := copy(b, rest)
	n, err = l.read(b[left : left+most])
	return b[:left+n], n, err
}

// pending is how many bytes wait to be sent.
func (l *link) pending() int { return len(l.out) - l.sent }

// send writes as much of b as goes now, and keeps the rest for later. It returns how
// many bytes the kernel took.
func (l *link) send(b []byte) (n int, err error) {
	if l.pending() == 0 {
		if n, err = l.write(b); err != nil {
			return n, err
		}
		b = b[n:]
	}
	if len(b) > 0 {
		if l.out == nil {
			l.out = l.w.lend()
		}
		l.out = append(l.out, b...)
	}
	return n, nil
}

// flush writes what waits.
func (l *link) flush() error {
	if l.out == nil {
		return nil
	}
	n, err := l.write(l.out[l.sent:])
	if l.sent += n; l.pending() == 0 {
		l.discard()
	}
	return err
}

// discard forgets what waits to be sent.
func (l *link) discard() {
	l.w.reclaim(l.out)
	l.out, l.sent = nil, 0
}

func (l *link) write(b []byte) (n int, err error) {
	for n < len(b) && l.writable {
		m, errno := poll.Send(l.fd, b[n:])
		switch {
		case errno == unix.EAGAIN:
			l.writable = false
		case errno != 0:
			return n, errno
		default:
			n += m
		}
	}
	return n, nil
}

// shut closes the socket.
func (l *link) shut() {
	l.discard()
	l.w.loop.CloseFD(l.fd)
	l.fd = -1
}
