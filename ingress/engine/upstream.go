package engine

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// upstream is a connection of a loop to an endpoint.
type upstream struct {
	link
	endpoint *endpoint
	client   http.Client
	x        *passage // whom it serves; nil: it is idle
	opening  bool
	rest     []byte // of what was read
	born     time.Time
	free     time.Time // when it became idle
	blind    time.Time // the round in which it was taken for a request without a look
}

// errRetired tells that an endpoint is named no more that was not connected to yet.
var errRetired = &failure{errRefused, errors.New("it was taken out while it was being connected to")}

// errUnasked tells that what came cannot be an answer.
var errUnasked = errors.New("the endpoint said something before it was asked")

// dial begins to open a connection.
func (w *worker) dial(e *endpoint) (*upstream, unix.Errno) {
	fd, errno := poll.Dial(e.to)
	if errno != 0 {
		return nil, errno
	}
	u := &upstream{link: link{w: w, fd: fd}, endpoint: e, client: http.NewClient(w.e.opts.Limits), opening: true, born: w.loop.Now()}
	if err := w.loop.Add(fd, u); err != nil {
		_ = unix.Close(fd)
		return nil, poll.ErrnoOf(err)
	}
	w.servers[u] = struct{}{}
	return u, 0
}

// Ready goes on with what happened to the connection. One that is idle and ends, or
// says something unasked, is closed.
func (u *upstream) Ready(ev poll.Events) {
	u.note(ev)
	switch {
	case u.x != nil && ev.Readable() && u.blind.Equal(u.w.loop.Now()) && !u.sound(): // epoll told it before the request was sent
		u.x.fault = errUnasked
		u.x.c.run()
	case u.x != nil:
		u.x.c.run()
	case ev.Readable() && !u.sound():
		u.endpoint.stocks[u.w.number].drop(u)
	}
}

func (u *upstream) close() {
	delete(u.w.servers, u)
	u.shut()
}

// sound looks whether an idle connection is fit for a request: one with unread
// bytes, which would be taken for the next answer, is not.
func (u *upstream) sound() bool {
	u.readable = look(u.fd) != silent
	return !u.readable
}

// reusable tells whether another request may follow.
func (u *upstream) reusable() bool {
	return u.client.Reusable() && len(u.rest) == 0 && u.pending() == 0 && !u.wary
}

// keep keeps a connection for later, or closes it.
func (w *worker) keep(u *upstream) {
	u.free = w.loop.Now()
	if !u.endpoint.stocks[w.number].put(u, w.mostIdle(), &w.e.opts) {
		u.close()
		return
	}
	if w.sweeper.rings == 0 {
		w.sweepLater()
	}
}

// mostIdle is how many idle connections to each endpoint a loop keeps, so that all
// together keep no more than they may, but each one.
func (w *worker) mostIdle() int { return max(1, w.e.opts.KeepIdle/len(w.e.workers)) }

// stock has the idle connections of one loop to one endpoint.
type stock struct {
	idle    []*upstream // the one used last is at the end
	retired bool        // no Config names the endpoint any more: nothing is kept
	_       [32]byte    // those of other loops are in other lines of the processor's memory
}

// take returns an idle connection that is alive, or nil. The loop has heard of those
// that ended; before a request that cannot be sent twice it looks once more.
func (s *stock) take(now time.Time, safe bool, o *Options) *upstream {
	for n := len(s.idle) - 1; n >= 0; n-- {
		u := s.idle[n]
		s.idle[n], s.idle = nil, s.idle[:n]
		if now.Sub(u.free) < o.IdleFor {
			if safe && !u.readable {
				u.blind = now
				return u
			}
			if u.sound() {
				return u
			}
		}
		u.close()
	}
	return nil
}

func (s *stock) put(u *upstream, most int, o *Options) bool {
	if s.retired || len(s.idle) >= most || u.free.Sub(u.born) > o.MaxAge {
		return false
	}
	s.idle = append(s.idle, u)
	return true
}

// drop closes one of them.
func (s *stock) drop(u *upstream) {
	if i := slices.Index(s.idle, u); i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
	u.close()
}

// sweep closes those that were idle too long, which are at the front, and returns
// how many are left.
func (s *stock) sweep(now time.Time, o *Options) int {
	n := 0
	for n < len(s.idle) && now.Sub(s.idle[n].free) >= o.IdleFor {
		s.idle[n].close()
		n++
	}
	s.idle = slices.Delete(s.idle, 0, n)
	return len(s.idle)
}

// retire closes them, and has nothing be kept from now on.
func (s *stock) retire() {
	for _, u := range s.idle {
		u.close()
	}
	s.idle, s.retired = nil, true
}
