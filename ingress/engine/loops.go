package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// makeLoops makes a loop for each processor. Each has a listener of its own for each
// address of HTTP without TLS: the first those that there are, the others one more
// beside each.
func (e *Engine) makeLoops() error {
	for i := range runtime.GOMAXPROCS(0) {
		w, err := newWorker(e, i)
		if err != nil {
			return err
		}
		e.workers = append(e.workers, w)
		for _, l := range e.listeners {
			if l.secure {
				continue
			}
			own := l.TCPListener
			if i > 0 {
				if own, err = listen(l.Addr().String(), true); err != nil {
					return fmt.Errorf("listener %v: %w", l.Addr(), err)
				}
			}
			if err := w.takeOver(own); err != nil {
				return err
			}
		}
	}
	return nil
}

// runLoops has the loops run, and returns what ends them and tells how they ended.
func (e *Engine) runLoops(running context.Context, stop func()) (ended func() error) {
	ends := make([]error, len(e.workers))
	var loops sync.WaitGroup
	for i, w := range e.workers {
		loops.Go(func() {
			err := w.loop.Run(running)
			if err != nil {
				stop() // clients of the others would be led to this one
				e.fault(err)
			}
			ends[i] = w.close()
		})
	}
	return func() error {
		stop()
		loops.Wait()
		return errors.Join(ends...)
	}
}

// nextWorker is the one whose turn it is to get a connection.
func (e *Engine) nextWorker() *worker {
	return e.workers[e.joined.Add(1)%uint32(len(e.workers))]
}

// inLoops has something done by each loop, soon.
func (e *Engine) inLoops(do func(*worker)) {
	for _, w := range e.workers {
		w.loop.Post(func() { do(w) })
	}
}

// closeDoors has the kernel begin no more handshakes, waits for those that were
// begun, takes all that came of them, and closes the listeners.
func (e *Engine) closeDoors(running context.Context) {
	if len(e.workers) == 0 {
		return
	}
	shut := true
	for _, w := range e.workers {
		w.loop.Call(running, func() { shut = w.refuseNew() && shut })
	}
	for some := true; some; {
		time.Sleep(settleFor)
		some = false
		for _, w := range e.workers {
			w.loop.Call(running, func() { some = w.cameLately() && shut || some })
		}
	}
	for _, w := range e.workers {
		w.loop.Call(running, w.takeLast)
	}
}
