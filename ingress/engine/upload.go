package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// A body that did not come with its head is sent by a goroutine of its own. While
// it runs, it alone reads from the client and writes to the backend; the
// connection's goroutine reads from the backend and writes to the client.

// errUnwanted tells that the backend takes no more of the body. It may have
// answered all the same.
var errUnwanted = errors.New("the backend takes no more of the request's body")

// past wakes whoever reads or writes.
var past = time.Unix(1, 0)

func (x *exchange) beginUpload() {
	x.waits = false
	ended, b := make(chan error, 1), x.backend // x is for others once they know the end
	x.upload = ended
	go func() {
		err := x.pump()
		ended <- err
		if err != nil && !errors.Is(err, errUnwanted) {
			b.wakeNext()
		}
	}()
}

// uploads tells whether the upload was busy since the last time that it was asked,
// or the error that there will be no whole request.
func (x *exchange) uploads() (busy bool, err error) {
	if x.upload == nil {
		return false, nil
	}
	select {
	case err = <-x.upload:
		x.upload = nil
		if x.cutOff = err != nil; errors.Is(err, errUnwanted) {
			return true, nil
		}
		return true, err
	default:
		return true, nil
	}
}

// endUpload waits for the end of an upload that nobody needs any more.
func (x *exchange) endUpload() {
	if x.upload == nil {
		return
	}
	if x.ended.Load() { // the rest is on its way, if the backend takes it
		select {
		case err := <-x.upload:
			x.cutOff, x.upload = err != nil, nil
			return
		case <-time.After(lastWait):
		}
	}
	x.unneeded.Store(true) // before the deadlines, which pump may be about to set anew
	x.client.interrupt()
	x.backend.wakePush()
	x.cutOff = <-x.upload != nil
	x.upload = nil
}

// pump sends the rest of the body.
func (x *exchange) pump() error {
	b := x.backend
	if err := b.push(); err != nil { // of what came with the head
		return fmt.Errorf("%w: %w", errUnwanted, err)
	}
	for !x.ended.Load() {
		p, err := x.client.piece()
		if err != nil {
			return err
		}
		switch p.Kind {
		case http.Data:
			if err := x.weigh(p.Data); err != nil {
				return err
			}
			b.pass(p.Data)
			continue
		case http.End:
			x.ended.Store(true) // before the backend can know, and answer
			b.passEnd(x.req.Trailers)
		}
		if err := b.push(); err != nil {
			return fmt.Errorf("%w: %w", errUnwanted, err)
		}
		if p.Kind == http.End {
			return nil
		}
		if err := x.client.await(&x.unneeded); err != nil {
			return err
		}
	}
	return nil
}
