package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log/level"
)

// Engine serves one Config at a time. Make it with [New], give it a Config by
// [Engine.Apply], and let [Engine.Run] own its goroutines.
type Engine struct {
	opts      Options
	room      int // most that a buffer grows to: all that may have to be in one at once
	listeners []listener
	workers   []*worker     // none if the driver is by goroutines
	joined    atomic.Uint32 // connections that goroutines gave to the workers
	faults    chan error    // why a listener or a loop cannot go on
	tls       *tls.Config   // asks the newest state
	log       *accessLog    // nil: there is none
	books     []book        // of goroutines: each connection has one
	turns     chan struct{} // has as many as handshakes may compute at once
	applying  sync.Mutex
	state     atomic.Pointer[state] // nil until the first Apply
	leaving   atomic.Bool           // answers close their connections
	finishing atomic.Bool           // idle connections end
	work      sync.Pool             // of *work

	mu    sync.Mutex
	conns map[*conn]struct{}
	over  bool           // conns are cut
	ended sync.WaitGroup // of conns, and of the clients of loops
}

// New makes an Engine and opens its listeners, so that an address that cannot be
// had is known at once. Nothing is accepted before [Engine.Run]; until then
// clients wait in the kernel's queue.
func New(opts Options) (*Engine, error) {
	opts = opts.withDefaults()
	if _, err := ParseDriver(string(opts.Driver)); err != nil {
		return nil, err
	}
	lim, addrs := opts.Limits, slices.Concat(opts.Listen, opts.ListenTLS)
	e := &Engine{opts: opts, conns: map[*conn]struct{}{}, room: max(lim.Head, lim.Trailer+2, lim.Extension+64, largeBuffer)}
	e.work.New = func() any { return new(work) }
	e.log = newAccessLog(opts.AccessLog)
	e.books = make([]book, runtime.GOMAXPROCS(0))
	for i := range e.books {
		e.books[i].log = e.log
	}
	e.tls = &tls.Config{GetConfigForClient: e.newest}
	e.turns = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	e.faults = make(chan error, len(addrs)+1)
	for i, addr := range addrs {
		secure := i >= len(opts.Listen)
		l, err := listen(addr, opts.Driver == Loops && !secure)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listener %s: %w", addr, err), e.Close())
		}
		e.listeners = append(e.listeners, listener{l, secure})
	}
	if opts.Driver == Loops {
		if err := e.makeLoops(); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	if opts.Registerer != nil {
		if err := opts.Registerer.Register(metrics{e}); err != nil {
			return nil, errors.Join(fmt.Errorf("metrics: %w", err), e.Close())
		}
	}
	return e, nil
}

// Close gives up the listeners of an Engine that is not going to run.
func (e *Engine) Close() error {
	var errs []error
	for _, l := range e.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // a loop took it over
			errs = append(errs, err)
		}
	}
	for _, w := range e.workers {
		errs = append(errs, w.close())
	}
	return errors.Join(errs...)
}

// Addrs are the addresses that are listened on, in the order of the options, those
// of HTTPS last.
func (e *Engine) Addrs() (out []string) {
	for _, l := range e.listeners {
		out = append(out, l.Addr().String())
	}
	return out
}

// Apply has requests from now on depend on cfg. Those under way go on as they
// began; endpoints that cfg does not name get no more.
func (e *Engine) Apply(cfg Config) {
	e.applying.Lock()
	defer e.applying.Unlock()
	before := e.state.Load()
	now := newState(cfg, before, len(e.workers))
	e.state.Store(now)
	if before == nil {
		return
	}
	for addr, old := range before.endpoints {
		if now.endpoints[addr] == nil {
			old.retire()
		}
	}
	e.inLoops(func(w *worker) { w.retire(before, now) })
}

// Run serves until ctx ends and the requests under way have, or until a listener
// fails. See [Options] for how it leaves.
func (e *Engine) Run(ctx context.Context) error {
	background := context.WithoutCancel(ctx)
	accepting, refuse := context.WithCancel(background)
	defer refuse()
	running, stop := context.WithCancel(background)
	defer stop()
	defer e.keepLog()()
	endLoops := e.runLoops(running, stop)
	var serving sync.WaitGroup
	for _, l := range e.listeners {
		if e.opts.Driver == Loops && !l.secure {
			continue // the loops have it
		}
		serving.Go(func() {
			if err := e.accept(accepting, l); err != nil {
				e.fault(err)
			}
		})
	}
	serving.Go(func() { e.sweep(accepting) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-e.faults:
	}
	e.leave(err)
	refuse()
	e.closeDoors(running)
	serving.Wait() // all that was accepted by the kernel has an owner now
	e.finish()
	err = errors.Join(err, endLoops())
	for {
		select {
		case late := <-e.faults:
			err = errors.Join(err, late)
		default:
			return err
		}
	}
}

// fault has the engine end for an error.
func (e *Engine) fault(err error) {
	select {
	case e.faults <- err:
	default: // there are others, for which it is about to end
	}
}

// leave has answers close their connections, for the drain time unless an error
// leaves none.
func (e *Engine) leave(err error) {
	level.Info(e.opts.Logger).Log("msg", "draining", "for", e.opts.Drain)
	e.leaving.Store(true)
	if err == nil {
		time.Sleep(e.opts.Drain)
	}
}

// finish waits for the requests under way, for the grace time, and cuts the rest.
func (e *Engine) finish() {
	e.finishing.Store(true)
	e.each((*conn).hurry)
	e.inLoops((*worker).hurry)
	cut := time.AfterFunc(e.opts.Grace, e.cut)
	e.ended.Wait()
	cut.Stop()
	if s := e.state.Load(); s != nil {
		for _, endpoint := range s.endpoints {
			endpoint.retire()
			endpoint.cut()
		}
	}
}

// cut ends all connections, those included that loops are about to hand over.
func (e *Engine) cut() {
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	if n := e.each((*conn).cut); n > 0 {
		level.Info(e.opts.Logger).Log("msg", "cutting connections that did not end in time", "open", n)
	}
	e.inLoops((*worker).cut)
}

// each does something with all open connections, and counts them.
func (e *Engine) each(do func(*conn)) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		do(c)
	}
	return len(e.conns)
}

// sweep closes connections to endpoints that were idle too long.
func (e *Engine) sweep(ctx context.Context) {
	tick := time.NewTicker(min(time.Second, e.opts.IdleFor))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if s := e.state.Load(); s != nil {
				for _, endpoint := range s.endpoints {
					endpoint.sweep(now, &e.opts)
				}
			}
		}
	}
}
