package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// shareAddress has a listening socket share its address with those of other loops; the
// kernel spreads the clients. Connections have the other options from it.
func shareAddress(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, name, value int }{
			{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		} {
			failed = errors.Join(failed, unix.SetsockoptInt(int(fd), o.level, o.name, o.value))
		}
	})
	return errors.Join(err, failed)
}

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
