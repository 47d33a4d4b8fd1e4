package relay

import (
	"context"
	"time"

	"github.com/steelyard-lb/steelyard/config/feed"
)

const (
	// noticeTime is for the speaker to send no more clients here.
	noticeTime = 500 * time.Millisecond
	// handshakeTime is for connections that the kernel is about to accept.
	handshakeTime = 300 * time.Millisecond
)

// drain waits for the end of ctx, and ends what there is in order, unless running
// ends first. A socket that stops listening has the kernel reset what it accepted
// and nobody took: so new connections are kept out first, without a word, so that
// clients try again a second later, elsewhere by then; what is under way is waited
// for and taken.
func (e *Engine) drain(ctx, running context.Context) {
	select {
	case <-ctx.Done():
	case <-running.Done():
		return
	}
	end := time.After(e.o.Drain)
	e.draining.Store(true)
	e.tell()
	_ = feed.Sleep(running, noticeTime)
	e.each(running, (*worker).shut)
	_ = feed.Sleep(running, handshakeTime)
	e.each(running, (*worker).unlisten)
	for e.open.Load() > 0 {
		select {
		case <-running.Done():
			return
		case <-end:
			e.each(running, (*worker).abortAll)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// each has f done by every loop, and waits for that.
func (e *Engine) each(running context.Context, f func(*worker)) {
	for _, w := range e.workers {
		w.loop.Call(running, func() { f(w) })
	}
}
