package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// requester is who made a request, as its exchange sees him: a connection of
// HTTP/1.1, or a stream of HTTP/2. What is for him may wait until flush. Errors are
// [errClient] if he is gone.
type requester interface {
	// piece reads what is at hand of the body, of kind More if nothing is. Its data
	// is good until await, which waits for more, until interrupt or unneeded.
	piece() (http.Piece, error)
	await(unneeded *atomic.Bool) error
	interrupt()

	proceed() error                            // says 100 Continue
	interim(*http.Response) error              // passes an interim answer on
	head(res *http.Response, whole bool) error // the final one; whole: the request was read to its end
	data([]byte) error                         // of the body
	end(trailers []http.Field) error           // with what waited
	flush() error
	answer(err error, whole bool) // says why there is no answer

	gone() bool
	through() (wire, *buffer) // when another protocol begins, and what came of it
}

func (c *conn) piece() (http.Piece, error) {
	p, err := c.server.Next(c.in.bytes(), &c.req)
	if err == nil {
		c.in.use(p.Used) // at once: what was read must never be read again
	}
	return p, err
}

func (c *conn) await(unneeded *atomic.Bool) error {
	_ = c.SetReadDeadline(time.Now().Add(c.e.opts.Client))
	if unneeded.Load() { // interrupt may have come before that
		return errUnwanted
	}
	switch _, err := c.in.fill(c.wire, largeBuffer, c.e.room); {
	case late(err):
		return errSlowBody
	case err != nil:
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

func (c *conn) interrupt() { _ = c.SetReadDeadline(past) }

func (c *conn) proceed() error {
	c.down = c.server.AppendContinue(c.down)
	return c.flush()
}

func (c *conn) interim(res *http.Response) error {
	if c.server.TakesInterim() {
		c.down = http.EndHead(c.server.AppendResponse(c.down, res, 0))
	}
	return nil
}

func (c *conn) head(res *http.Response, whole bool) error {
	c.closeAfter(whole)
	c.down = appendResponse(c.down, &c.server, res)
	return nil
}

// closeAfter has the connection end with this answer if it must: what is left of
// a request would be taken for the next one.
func (c *conn) closeAfter(whole bool) {
	if c.e.leaving.Load() || !whole {
		c.server.Close()
	}
}

func (c *conn) data(b []byte) error {
	c.down = c.server.AppendData(c.down, b)
	return nil
}

func (c *conn) end(trailers []http.Field) error {
	c.down = c.server.AppendEnd(c.down, trailers)
	return c.flush()
}

func (c *conn) flush() error {
	if len(c.down) == 0 {
		return nil
	}
	err := c.write(c.down)
	c.down = c.down[:0]
	if err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

func (c *conn) answer(err error, whole bool) {
	c.closeAfter(whole)
	_ = c.write(appendAnswer(c.down[:0], &c.server, err))
}

func (c *conn) through() (wire, *buffer) {
	_ = c.SetDeadline(time.Time{})
	return c.wire, &c.in
}
