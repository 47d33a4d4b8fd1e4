package engine

import (
	"errors"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// passage is one request on its way through a loop.
type passage struct {
	note
	c       caller
	d       *downstream // the same if it speaks HTTP/1.1, else nil
	w       *worker
	*timing        // of c
	from    *asker // c
	req     http.Request
	text    []byte // that req has slices of, over HTTP/2
	state   *state
	led
	body     []byte        // as far as it came with the head
	endpoint *endpoint     // the one asked last
	up       *upstream     // the connection to it; nil if there is none
	since    time.Duration // since epoch, when it was asked
	failures int           // of connections

	large    bool  // the head takes more than a small buffer
	safe     bool  // the request may be sent again
	whole    bool  // all of it came with the head
	waits    bool  // the client waits for 100 Continue
	size     int64 // of the body so far
	ended    bool  // the request was read to its end
	begun    bool  // its head was written
	sent     bool  // the kernel took some of it, or will
	asked    bool  // the kernel took all of it, or will not
	unwanted bool  // the backend takes no more
	heard    bool  // something came back
	answered bool  // the head of the final answer was written
	over     bool  // and all of the answer
	fault    error // what somebody else found
}

// begin makes the request whose head was read ready to be sent. It is false, and
// nothing was done, if that is not for a loop.
func (x *passage) begin() bool {
	x.state = x.w.e.state.Load()
	err := x.state.lead(&x.led, &x.req, x.from, &x.w.e.opts)
	if err == nil && !x.pool.plain {
		return false
	}
	x.w.book.begin(&x.note, x.w.loop.Now(), x.from, &x.req, versionOf(&x.req))
	if err == nil {
		err = x.prepare()
	}
	if err != nil {
		x.end(err)
	}
	return true
}

func (x *passage) prepare() error {
	x.safe = x.req.Safe()
	if err := x.collect(); err != nil {
		return err
	}
	x.whole = x.ended
	x.waits = x.req.Waits() && x.size == 0
	return nil
}

// collect takes in as much of the body as came with the head.
func (x *passage) collect() error {
	for !x.ended {
		p, err := x.c.piece(x)
		if err != nil {
			return err
		}
		switch p.Kind {
		case http.More:
			return nil
		case http.Data:
			if err := x.weigh(len(p.Data)); err != nil {
				return err
			}
			x.body = append(x.body, p.Data...)
		case http.End:
			x.ended = true
		}
	}
	return nil
}

// weigh holds the body against its bound.
func (x *passage) weigh(n int) error {
	x.size += int64(n)
	return x.bound(x.size)
}

// step goes on with the request, and tells whether more may be done at once.
func (x *passage) step() (again bool) {
	again, err := x.move()
	switch {
	case err == errSwitched:
		x.handOver()
	case err != nil || x.over:
		x.conclude(err)
		return true
	}
	return again
}

func (x *passage) move() (again bool, err error) {
	fault := x.fault
	x.fault = nil
	switch {
	case fault != nil:
		return false, fault
	case x.c.broken():
		return false, errClient
	case x.up == nil:
		return true, x.connect()
	case x.up.opening:
		return x.opened()
	}
	return x.carry()
}

// carry moves what there is both ways, once. Answers come first: a backend that says
// why it takes no more is heard.
func (x *passage) carry() (again bool, err error) {
	if err := x.c.push(); err != nil {
		return false, err
	}
	down, err := x.download()
	if err != nil || x.over {
		return false, err
	}
	up, err := x.upload()
	return down || up, err
}

// mayTryAgain tells whether another connection may be tried after an error: only if
// nothing was sent, or the method is safe and no byte came back.
func (x *passage) mayTryAgain(err error) bool {
	if x.failures+1 >= attempts || x.heard || errors.Is(err, errClient) || errors.Is(err, errNoAnswer) {
		return false
	}
	return !x.sent || x.safe && x.whole
}

// mayBeGone has a client that sends no more looked after.
func (x *passage) mayBeGone() {
	if x.until[forGone] == 0 {
		x.await(forGone, lookEvery)
	}
}

// late ends a wait.
func (x *passage) late(what wait) {
	var err error
	switch what {
	case forBody:
		if x.c.hears() {
			x.await(forBody, x.w.e.opts.Client)
			return
		}
		err = errSlowBody
	case forClient:
		err = errClient
	case forConnect:
		err = x.refused(unix.ETIMEDOUT)
	case forBackend:
		x.giveUp()
	case forAnswer:
		if x.c.pending() > 0 { // it is the client who is waited for
			x.awaitAnswer()
			return
		}
		err = errNoAnswer
	case forContinue:
		x.proceed()
		err = x.c.flush()
	case forGone:
		if x.c.pending() > 0 { // it shows by taking that
			x.mayBeGone()
		} else if x.c.gone() {
			err = errClient
		}
	}
	if err != nil {
		x.conclude(err)
	}
}

// renew has a request that is tried again go by the newest Config: the endpoints of the
// one that it began with may be gone. What loops cannot serve stays with the old one.
func (x *passage) renew() error {
	now := x.w.e.state.Load()
	if now == x.state {
		return nil
	}
	var to led
	err := now.lead(&to, &x.req, x.from, &x.w.e.opts)
	if err == nil && to.pool.plain {
		x.state, x.led = now, to
	}
	return err
}

// conclude ends the request, or has it tried again after an error.
func (x *passage) conclude(err error) {
	if err == nil || !x.mayTryAgain(err) {
		x.end(err)
		return
	}
	if failed := x.renew(); failed != nil {
		x.end(failed)
		return
	}
	level.Debug(x.w.e.opts.Logger).Log("msg", "request is tried again", "addr", x.addr(), "err", err)
	x.drop()
	x.endWaits()
	x.w.book.retries.Add(1)
	x.failures++
	x.begun, x.sent, x.asked, x.unwanted = false, false, false, false
}

// end ends the request, and answers it if nobody else did.
func (x *passage) end(err error) {
	c := x.c
	x.release(err == nil)
	c.letGo()
	defer x.w.give(x)
	defer func() { x.w.book.end(&x.note, x.w.loop.Now(), &x.led, x.endpoint, err) }()
	x.w.e.failed(x.from.from, x.addr(), err)
	switch {
	case err == nil:
		c.finished()
	case x.answered: // it is too late to say so
		c.reset()
	case errors.Is(err, errClient):
		c.close()
	case x.fail(err) != nil:
		c.close()
	default:
		c.finished()
	}
}

// fail answers a request that no backend answered. If its body is not all there, the
// connection of HTTP/1.1 ends.
func (x *passage) fail(err error) error {
	_ = x.collect()
	err = x.dressed(err)
	x.says(err, x.req.Method)
	return x.c.answer(err, x.ended)
}

func (x *passage) await(what wait, patience time.Duration) { x.w.await(x.timing, what, patience) }

func (x *passage) addr() string {
	if x.endpoint == nil {
		return ""
	}
	return x.endpoint.addr
}

// release ends what the request began, and keeps the connection to the backend if
// another request may follow on it.
func (x *passage) release(sound bool) {
	x.endWaits()
	if u := x.up; u != nil && sound && !x.unwanted && u.reusable() {
		x.up, u.x = nil, nil
		x.w.keep(u)
	}
	x.drop()
	if x.endpoint != nil {
		x.endpoint.End()
	}
}

// drop closes the connection to the backend.
func (x *passage) drop() {
	if x.up != nil {
		x.up.close()
		x.up = nil
	}
}
