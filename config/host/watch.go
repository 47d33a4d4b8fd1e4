package host

import (
	"context"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/feed"
)

const (
	// settle is the least time between two reads: an interface that comes up
	// makes a dozen messages. The first of a burst is read at once.
	settle = 30 * time.Millisecond
	// refresh is how often the state is read although nothing was reported.
	refresh = time.Minute
	// retry is the pause after a failed subscription or read.
	retry = time.Second
	// watchBuffer is the receive buffer of a subscription, in bytes.
	watchBuffer = 1 << 20
)

// Watcher follows the links and addresses of this host. Make one with
// [Watch]; [Watcher.Run] does the work.
type Watcher struct {
	log    log.Logger
	states *feed.Latest[State]
	last   State
	known  bool
}

// Watch makes a watcher of the network namespace in which Run will be called.
func Watch(logger log.Logger) *Watcher {
	return &Watcher{log: logger, states: feed.NewLatest[State](nil)}
}

// States yields the state at first and after each change; a reader that is
// slow misses what lies between. It has one reader.
func (w *Watcher) States() <-chan State { return w.states.C() }

// Run watches until ctx ends and then returns nil. Faults of netlink are
// logged and tried again: a watcher that misses events still reads every
// minute. It must not be called twice.
func (w *Watcher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.session(ctx); err != nil && ctx.Err() == nil {
			level.Warn(w.log).Log("msg", "watching links failed, starting again", "err", err)
			_ = feed.Sleep(ctx, retry)
		}
	}
	return nil
}

// session lives as long as its subscriptions.
func (w *Watcher) session(ctx context.Context) error {
	done := make(chan struct{})
	defer close(done)
	faults := make(chan error, 2)
	fault := func(err error) {
		select {
		case faults <- err:
		default:
		}
	}
	links := make(chan netlink.LinkUpdate, 64)
	err := netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{
		ErrorCallback: fault, ReceiveBufferSize: watchBuffer})
	if err != nil {
		return fmt.Errorf("subscribe to links: %w", err)
	}
	defer drain(links)
	addrs := make(chan netlink.AddrUpdate, 64)
	err = netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{
		ErrorCallback: fault, ReceiveBufferSize: watchBuffer})
	if err != nil {
		return fmt.Errorf("subscribe to addresses: %w", err)
	}
	defer drain(addrs)
	return w.follow(ctx, links, addrs, faults)
}

func (w *Watcher) follow(ctx context.Context, links <-chan netlink.LinkUpdate, addrs <-chan netlink.AddrUpdate, faults <-chan error) error {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		// Subscribed first, read after: nothing can be missed between.
		if err := w.publish(); err != nil {
			return err
		}
		_ = feed.Sleep(ctx, settle)
		open := true
		select {
		case <-ctx.Done():
			return nil
		case err := <-faults:
			return fmt.Errorf("receive: %w", err)
		case _, open = <-links:
		case _, open = <-addrs:
		case <-tick.C:
		}
		if !open {
			return fmt.Errorf("receive: %w", unix.EPIPE)
		}
		skip(links)
		skip(addrs)
	}
}

// publish reads and puts a changed state into the slot.
func (w *Watcher) publish() error {
	s, err := Read()
	if err != nil {
		return err
	}
	if w.known && s.Equal(w.last) {
		return nil
	}
	w.last, w.known = s, true
	w.states.Put(s)
	return nil
}

// skip drops the events that the next read covers.
func skip[T any](c <-chan T) {
	for {
		select {
		case _, open := <-c:
			if !open {
				return
			}
		default:
			return
		}
	}
}

// drain lets a subscription's goroutine get rid of what it still holds, so
// that it sees that it is no longer wanted.
func drain[T any](c <-chan T) {
	go func() {
		for range c {
		}
	}()
}
