package engine

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// exchange is one request on its way.
type exchange struct {
	*work
	note
	c      *conn // that the request came on
	client requester
	req    *http.Request
	asks   *hold
	state  *state
	led
	endpoint *endpoint // the one asked last
	asked    time.Time // when
	backend  answerer  // there; nil if there is none

	safe     bool        // the request may be sent again
	waits    bool        // the client waits for 100 Continue
	size     int64       // of the body so far
	ended    atomic.Bool // the request was read to its end
	heard    bool        // something came back
	answered bool        // the head of the final answer is on its way
	deadline time.Time   // for what comes back next

	// upload is where the goroutine that sends the body says how it ended; nil if
	// there is none, or it said so. See upload.go.
	upload   chan error
	unneeded atomic.Bool // the answer is over, and with it the upload
	cutOff   bool        // the body did not reach the backend as a whole
}

// exchange serves the request whose head was read, and tells whether the client's
// connection goes on.
func (c *conn) exchange() (onward bool) {
	x := &exchange{work: c.e.borrow(), c: c, client: c, req: &c.req, asks: &c.asks, state: c.e.state.Load()}
	c.down = x.down
	x.open(versionOf(x.req))
	var err error
	defer func() {
		x.shut(err)
		x.down, c.down = c.down, nil
		c.e.give(x.work)
	}()
	err = x.serve()
	switch {
	case err == nil:
	case x.answered: // it is too late to say so
		c.broken, _ = true, c.SetLinger(0) // a client that reads until the end must not take this for it
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

// open notes that the request has begun, and shut that it is over; its memory is of
// the work.
func (x *exchange) open(version accesslog.Protocol) {
	x.text = x.noted
	x.c.book.begin(&x.note, time.Now(), &x.c.asker, x.req, version)
}

func (x *exchange) shut(err error) {
	x.c.book.end(&x.note, time.Now(), &x.led, x.endpoint, err)
	x.noted = x.text[:0]
}

// serve serves the request, or tells why there is no answer, or none to its end.
func (x *exchange) serve() error {
	err := x.run()
	x.release(err == nil)
	x.c.e.failed(x.c.from, x.addr(), err)
	return err
}

func (x *exchange) addr() string {
	if x.endpoint == nil {
		return ""
	}
	return x.endpoint.addr
}

// fail answers a request that no backend answered.
func (x *exchange) fail(err error) {
	_ = x.collect()
	err = x.dressed(err)
	x.says(err, x.req.Method)
	x.client.answer(err, x.ended.Load())
}

func (x *exchange) run() error {
	if err := x.decide(); err != nil {
		return err
	}
	again, err := x.try(nil)
	for n := 1; again && n < attempts; n++ {
		if err := x.renew(); err != nil {
			return err
		}
		x.c.book.retries.Add(1)
		level.Debug(x.c.e.opts.Logger).Log("msg", "request is tried again", "addr", x.addr(), "err", err)
		again, err = x.try(x.endpoint)
	}
	return err
}

// renew has a request that is tried again go by the newest Config: the endpoints of the
// one that it began with may be gone.
func (x *exchange) renew() (err error) {
	if now := x.c.e.state.Load(); now != x.state {
		x.state, x.led = now, led{}
		err = now.lead(&x.led, x.req, &x.c.asker, &x.c.e.opts)
	}
	return err
}

// decide finds the pool, and makes the request ready to be sent.
func (x *exchange) decide() error {
	if err := x.state.lead(&x.led, x.req, &x.c.asker, &x.c.e.opts); err != nil {
		return err
	}
	x.safe = x.req.Safe()
	if err := x.collect(); err != nil {
		return err
	}
	x.waits = x.req.Waits() && x.size == 0
	return nil
}

// collect takes in as much of the body as came with the head. It does not read
// more, for that would move what the request's slices are of.
func (x *exchange) collect() error {
	for !x.ended.Load() {
		p, err := x.client.piece()
		if err != nil {
			return err
		}
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
	return x.bound(x.size)
}

// try asks one endpoint, not avoid if there is another. It tells whether one more
// may be asked after an error: only if nothing was sent, or the method is safe
// and no byte came back.
func (x *exchange) try(avoid *endpoint) (again bool, err error) {
	x.choose(avoid)
	if x.backend, err = x.connect(avoid == nil); err != nil {
		x.c.book.unconnected.Add(1)
		return true, err
	}
	x.asks.set(x.backend)
	whole := x.ended.Load()
	sent, err := x.backend.ask(x, whole)
	if err == nil {
		if !x.waits && (!whole || x.backend.unsent()) {
			x.beginUpload()
		}
		if err = x.receive(); err == nil {
			return false, nil
		}
	}
	if x.heard || x.client.gone() || errors.Is(err, errClient) || errors.Is(err, errNoAnswer) {
		return false, err
	}
	if sent && !(whole && (x.safe || errors.Is(err, errUnprocessed))) {
		return false, err
	}
	x.endUpload()
	x.drop(false)
	x.unneeded.Store(false)
	x.cutOff = false
	return true, err
}

// appendRequest appends the head of the request for a client.
func (x *exchange) appendRequest(dst []byte, client *http.Client) []byte {
	return x.c.appendRequest(dst, client, x.req, x.target, x.record.ID, x.state.trusts(x.c.peer), x.policy)
}

// choose counts the request at an endpoint.
func (x *exchange) choose(avoid *endpoint) {
	if x.endpoint != nil {
		x.endpoint.End()
	}
	x.asked = time.Now()
	x.endpoint = x.pool.pick(avoid, x.token, x.asked)
	x.endpoint.Begin()
	x.tries++
}

// connect takes an idle connection if it may, else opens one.
func (x *exchange) connect(idle bool) (answerer, error) {
	o := x.opts
	if x.endpoint.protocol == HTTP2 {
		a, err := x.endpoint.open(o)
		if err == nil {
			return a, nil
		}
		return nil, x.unreachable(err)
	}
	if idle {
		if b := x.endpoint.take(time.Now(), o); b != nil {
			return b, nil
		}
	}
	b, err := x.endpoint.dial(o)
	if err == nil {
		return b, nil
	}
	return nil, x.unreachable(err)
}

// unreachable says why no connection was had, and has the endpoint be passed over
// if that is its fault.
func (x *exchange) unreachable(err error) error {
	if errors.Is(err, errCrowded) {
		return err
	}
	if !ours(err) {
		x.endpoint.eject(time.Now())
	}
	if t := net.Error(nil); errors.As(err, &t) && t.Timeout() {
		return &failure{errNoConnect, err}
	}
	return &failure{errRefused, err}
}

// ours tells whether it is for lack of something on this side that a connection
// could not be opened.
func ours(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// drop lets go of who was asked.
func (x *exchange) drop(sound bool) {
	if x.backend != nil {
		x.backend.done(x.asks.release() && sound)
		x.backend = nil
	}
}

// release ends what the request began.
func (x *exchange) release(sound bool) {
	x.endUpload()
	x.drop(sound)
	if x.endpoint != nil {
		x.endpoint.End()
	}
}
