package engine

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

// connect takes an idle connection if it may, else begins to open one.
func (x *passage) connect() error {
	w := x.w
	if x.d != nil && x.d.wary {
		x.mayBeGone()
	}
	x.choose()
	if x.failures == 0 {
		if x.up = x.endpoint.stocks[w.number].take(w.loop.Now(), x.safe, &w.e.opts); x.up != nil {
			x.up.x = x
			return nil
		}
	}
	up, errno := w.dial(x.endpoint)
	if errno != 0 {
		return x.refused(errno)
	}
	x.up, up.x = up, x
	x.await(forConnect, x.opts.Connect)
	return nil
}

// choose counts the request at an endpoint, another one than before if there is one.
func (x *passage) choose() {
	before := x.endpoint
	if before != nil {
		before.End()
	}
	x.since = x.w.now()
	x.endpoint = x.pool.pick(before, x.token, x.w.loop.Now())
	x.endpoint.Begin()
	x.tries++
}

// opened goes on once it is known whether a connection was opened.
func (x *passage) opened() (again bool, err error) {
	if !x.up.writable {
		return false, nil
	}
	if errno := poll.Failure(x.up.fd); errno != 0 {
		return false, x.refused(errno)
	}
	x.until[forConnect] = 0
	x.up.opening = false
	return true, nil
}

// refused passes over an endpoint that takes no connection for a while.
func (x *passage) refused(errno unix.Errno) error {
	x.w.book.unconnected.Add(1)
	if !ours(errno) {
		x.endpoint.eject(x.w.loop.Now())
	}
	f := &failure{errRefused, fmt.Errorf("connect to endpoint: %w", errno)}
	if errno.Timeout() {
		f.says = errNoConnect
	}
	return f
}
