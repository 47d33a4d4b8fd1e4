package engine

import (
	"crypto/tls"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

// link is a connection of a loop, to a client or an endpoint: what is known of its
// socket, and what waits to be sent.
type link struct {
	w        *worker
	fd       int       // -1: closed
	over     *tls.Conn // TLS over the socket; nil: none, or no more
	more     bool      // below TLS there may be something to read
	readable bool      // there may be something to read
	writable bool
	wary     bool   // more, or the end, may come after a read that brings less than it could
	urgent   bool   // there were urgent data, past which the kernel moves nothing by itself
	failed   bool   // it is of no more use
	out      []byte // to be sent, from sent on; nil if there is nothing
	sent     int
}

// note takes in what epoll tells.
func (l *link) note(ev poll.Events) {
	come := ev.Readable() || ev.Urgent()
	l.readable, l.more = l.readable || come, l.more || come
	l.writable = l.writable || ev.Writable()
	l.wary = l.wary || ev.Ended() || ev.Urgent()
	l.urgent = l.urgent || ev.Urgent()
	l.failed = l.failed || ev.Failed()
}

// read reads once into b. No bytes and no error mean that there are none now.
func (l *link) read(b []byte) (n int, err error) {
	if l.over != nil {
		return l.decrypt(b)
	}
	n, l.readable, err = l.receive(b)
	return n, err
}

// receive reads once off the socket, and tells whether there may be more.
func (l *link) receive(b []byte) (n int, more bool, err error) {
	n, errno := poll.Receive(l.fd, b)
	switch {
	case errno == unix.EAGAIN:
		return 0, false, nil
	case errno != 0:
		return 0, true, errno
	case n == 0:
		return 0, true, io.EOF
	}
	return n, n == len(b) || l.wary, nil
}

// mostPending is how much may wait to be sent over TLS before nothing more is read,
// which may have to be answered: more than anybody has sent at once.
const mostPending = 4 * streamSize

// decrypt reads once from TLS, which may have to answer, of what came with one record
// or with others before.
func (l *link) decrypt(b []byte) (int, error) {
	if l.pending() > mostPending { // it asks for answers and does not take them
		return 0, nil
	}
	n, err := l.over.Read(b)
	if n > 0 { // an error comes again
		err = nil
	} else if err == errDry {
		l.readable, err = false, nil
	}
	return n, errors.Join(err, l.flush())
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
// many bytes the kernel took, or TLS did.
func (l *link) send(b []byte) (n int, err error) {
	if l.over != nil {
		if n, err = l.over.Write(b); err != nil { // into what is pending
			return n, err
		}
		return n, l.flush()
	}
	if l.pending() == 0 {
		if n, err = l.write(b); err != nil {
			return n, err
		}
		b = b[n:]
	}
	l.gather(b)
	return n, nil
}

// gather has b be sent later.
func (l *link) gather(b []byte) {
	if l.out == nil && len(b) > 0 {
		l.out = l.w.lend()
	}
	l.out = append(l.out, b...)
}

// farewell ends TLS, by a word without which the other side could not tell the end
// from a cut (RFC 8446 section 6.1). What still comes is as it is on the socket.
func (l *link) farewell() error {
	if l.over == nil {
		return nil
	}
	err := l.over.CloseWrite()
	l.over = nil
	return errors.Join(err, l.flush())
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
