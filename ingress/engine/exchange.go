package engine

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// exchange is one request on its way.
type exchange struct {
	*work
	c        *conn
	state    *state
	pool     *pool
	target   []byte    // the path in normal form
	endpoint *endpoint // the one asked last
	backend  *backend  // the connection to it; nil if there is none

	safe     bool        // the request may be sent again
	waits    bool        // the client waits for 100 Continue
	size     int64       // of the body so far
	ended    atomic.Bool // the request was read to its end
	heard    bool        // something came back
	answered bool        // the head of the final answer is in down, or sent
	deadline time.Time   // for what comes back next

	// upload is where the goroutine that sends the body says how it ended; nil if
	// there is none, or it said so. See upload.go.
	upload   chan error
	unneeded atomic.Bool // the answer is over, and with it the upload
	cutOff   bool        // the body did not reach the backend as a whole
}

// answer serves the request whose head was read, and tells whether the client's
// connection goes on.
func (c *conn) answer() (onward bool) {
	x := &exchange{work: c.e.borrow(), c: c, state: c.e.state.Load()}
	defer c.e.give(x.work)
	err := x.run()
	x.release(err == nil)
	if err != nil {
		level.Debug(c.e.opts.Logger).Log("msg", "request failed", "peer", c.from, "addr", x.addr(), "err", err)
	}
	switch {
	case err == nil:
	case x.answered: // it is too late to say so
		_ = c.SetLinger(0) // a client that reads until the end must not take this for it
		return false
	case errors.Is(err, errClient):
		return false
	default:
		x.fail(err)
	}
	if !c.server.Finish() {
		c.linger()
		return false
	}
	return true
}

func (x *exchange) addr() string {
	if x.endpoint == nil {
		return ""
	}
	return x.endpoint.addr
}

// fail answers a request that no backend answered. If its body is not all there,
// the connection ends.
func (x *exchange) fail(err error) {
	_ = x.collect()
	if x.c.e.leaving.Load() || !x.ended.Load() {
		x.c.server.Close()
	}
	status, text := verdict(err)
	_ = x.c.write(x.c.server.AppendAnswer(x.down[:0], status, text, serverField))
}

// run serves the request, or returns why there is no answer.
func (x *exchange) run() error {
	if err := x.decide(); err != nil {
		return err
	}
	again, err := x.try(nil)
	for n := 1; again && n < attempts; n++ {
		level.Debug(x.c.e.opts.Logger).Log("msg", "request is tried again", "addr", x.addr(), "err", err)
		again, err = x.try(x.endpoint)
	}
	return err
}

// decide finds the pool, and makes the request ready to be sent.
func (x *exchange) decide() error {
	r := &x.c.req
	var err error
	if x.pool, x.target, err = x.state.lead(r); err != nil {
		return err
	}
	x.safe = r.Safe()
	if err := x.collect(); err != nil {
		return err
	}
	x.waits = x.c.server.Waits() && x.size == 0
	return nil
}

// collect takes in as much of the body as came with the head. It does not read
// more, for that would move what the request's slices are of.
func (x *exchange) collect() error {
	for !x.ended.Load() {
		p, err := x.c.server.Next(x.c.in.bytes(), &x.c.req)
		if err != nil {
			return err
		}
		x.c.in.use(p.Used)
		switch p.Kind {
		case http.More:
			return nil
		case http.Data:
			if err := x.weigh(p.Data); err != nil {
				return err
			}
			x.body = append(x.body, p.Data...)
		case http.End:
			x.ended.Store(true)
		}
	}
	return nil
}

// weigh holds the body against its bound.
func (x *exchange) weigh(data []byte) error {
	x.size += int64(len(data))
	return x.state.bound(x.size)
}

// try asks one endpoint, not avoid if there is another. It tells whether one more
// may be asked after an error: only if nothing was sent, or the method is safe
// and no byte came back.
func (x *exchange) try(avoid *endpoint) (again bool, err error) {
	x.choose(avoid)
	if x.backend, err = x.connect(avoid == nil); err != nil {
		return true, err
	}
	x.c.asks.Store(x.backend)
	whole := x.ended.Load()
	x.up = x.c.appendRequest(x.up[:0], &x.backend.client, &x.c.req, x.target, x.state.trusts(x.c.peer))
	x.up = x.backend.client.AppendData(x.up, x.body)
	if whole {
		x.up = x.backend.client.AppendEnd(x.up, x.c.req.Trailers)
	}
	sent, err := x.send(x.up)
	if err == nil {
		if !whole && !x.waits {
			x.beginUpload()
		}
		if err = x.receive(); err == nil {
			return false, nil
		}
	}
	if x.heard || errors.Is(err, errClient) || errors.Is(err, errNoAnswer) || sent > 0 && !(x.safe && whole) {
		return false, err
	}
	x.drop()
	return true, err
}

// choose counts the request at an endpoint.
func (x *exchange) choose(avoid *endpoint) {
	if x.endpoint != nil {
		x.endpoint.inFlight.Add(-1)
	}
	x.endpoint = x.pool.pick(avoid, time.Now())
	x.endpoint.inFlight.Add(1)
}

// connect takes an idle connection if it may, else opens one.
func (x *exchange) connect(idle bool) (*backend, error) {
	o := &x.c.e.opts
	if idle {
		if b := x.endpoint.take(time.Now(), o); b != nil {
			return b, nil
		}
	}
	b, err := x.endpoint.dial(context.Background(), o)
	if err == nil {
		return b, nil
	}
	if !ours(err) {
		x.endpoint.eject(time.Now())
	}
	if t := net.Error(nil); errors.As(err, &t) && t.Timeout() {
		return nil, &failure{errNoConnect, err}
	}
	return nil, &failure{errRefused, err}
}

// ours tells whether it is for lack of something on this side that a connection
// could not be opened.
func ours(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// send writes to the backend, and tells how much went.
func (x *exchange) send(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	_ = x.backend.SetWriteDeadline(time.Now().Add(x.c.e.opts.Between))
	if x.unneeded.Load() {
		return 0, errUnwanted
	}
	n, err := x.backend.Write(b)
	if err != nil {
		return n, &failure{errBrokeOff, err}
	}
	return n, nil
}

// drop closes the connection to the backend.
func (x *exchange) drop() {
	if x.backend != nil {
		x.c.asks.Store(nil)
		_ = x.backend.Close()
		x.backend = nil
	}
}

// release ends what the request began, and keeps the connection to the backend
// if another request may follow on it.
func (x *exchange) release(sound bool) {
	x.endUpload()
	if b := x.backend; b != nil && sound && !x.cutOff && b.client.Reusable() && len(x.in.bytes()) == 0 {
		x.c.asks.Store(nil)
		x.backend = nil
		x.endpoint.put(b, time.Now(), &x.c.e.opts)
	}
	x.drop()
	if x.endpoint != nil {
		x.endpoint.inFlight.Add(-1)
	}
}
