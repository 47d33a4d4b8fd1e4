package speaker

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// swapLimit bounds the claims written at one time: a takeover of many
// addresses is a burst, and the API server has other callers.
const swapLimit = 16

// swapTimeout bounds one write. It is below the time after which a client
// would give up, so that an API server that hangs is found out early.
const swapTimeout = 2 * time.Second

// claimStore is all the agent asks of the API about claims.
type claimStore interface {
	// SwapClaim makes owner, which answers on links, the owner of addr if the
	// record still is prev (nil: if there is none), and returns the new record.
	SwapClaim(ctx context.Context, addr netip.Addr, prev *config.L2Claim, owner string, links []string, now time.Time) (*config.L2Claim, error)
	// DeleteClaim removes the record if it still is as given.
	DeleteClaim(ctx context.Context, claim *config.L2Claim) error
}

// change is a write of one record.
type change struct {
	addr netip.Addr
	prev *config.L2Claim // the record to replace, nil if there is none
	drop bool            // delete it
	// links are the interfaces that the new owner answers on.
	links []string
}

// outcome is how a change went.
type outcome struct {
	change
	claim *config.L2Claim // the new record, if err is nil
	err   error
	again bool // the write before failed too
}

// writing is a write that has begun.
type writing struct {
	change
	stop context.CancelFunc
}

// claimer writes claims, several at a time, away from the agent's loop. The
// loop says what it wants now, the newest list counts; outcomes wait until it
// takes them, so that a loop that looks elsewhere holds nobody up.
type claimer struct {
	store claimStore
	self  string
	ready chan struct{} // outcomes wait to be taken
	tasks sync.WaitGroup

	mu      sync.Mutex
	queue   []change
	busy    map[netip.Addr]*writing // the outcome is not taken yet
	done    []outcome
	workers int

	failed map[netip.Addr]time.Time // of the loop: last failure, if no success since
}

func newClaimer(store claimStore, self string) *claimer {
	return &claimer{
		store: store, self: self, ready: make(chan struct{}, 1),
		busy: map[netip.Addr]*writing{}, failed: map[netip.Addr]time.Time{},
	}
}

// Want makes list all that is to be written. A claim that is being written and
// not in it is called off: one that waits in a broken connection would else take
// the address from its owner when the network is whole again. What failed less
// than a second ago has to wait for the next call.
func (c *claimer) Want(ctx context.Context, list []change) {
	now := time.Now()
	for addr, at := range c.failed {
		if now.Sub(at) > time.Minute {
			delete(c.failed, addr) // long not wanted
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = c.queue[:0]
	wanted := make(map[netip.Addr]bool, len(list))
	for _, w := range list {
		wanted[w.addr] = true
		at, failed := c.failed[w.addr]
		if c.busy[w.addr] == nil && (!failed || now.Sub(at) >= retryAfter) {
			c.queue = append(c.queue, w)
		}
	}
	for addr, w := range c.busy {
		if !w.drop && !wanted[addr] {
			w.stop()
		}
	}
	for range min(len(c.queue), swapLimit-c.workers) {
		c.workers++
		c.tasks.Go(func() { c.work(ctx) })
	}
}

// work writes what is wanted until nothing is left or ctx ends.
func (c *claimer) work(ctx context.Context) {
	for {
		w, limited, ok := c.next(ctx)
		if !ok {
			return
		}
		o := outcome{change: w.change}
		o.claim, o.err = c.write(limited, w.change)
		w.stop()
		c.mu.Lock()
		c.done = append(c.done, o)
		c.mu.Unlock()
		select {
		case c.ready <- struct{}{}:
		default:
		}
	}
}

func (c *claimer) next(ctx context.Context) (*writing, context.Context, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && ctx.Err() == nil {
		w := c.queue[0]
		c.queue = c.queue[1:]
		if c.busy[w.addr] == nil {
			limited, stop := context.WithTimeout(ctx, swapTimeout)
			begun := &writing{w, stop}
			c.busy[w.addr] = begun
			return begun, limited, true
		}
	}
	c.workers--
	return nil, nil, false
}

func (c *claimer) write(ctx context.Context, w change) (*config.L2Claim, error) {
	if w.drop {
		return nil, c.store.DeleteClaim(ctx, w.prev)
	}
	return c.store.SwapClaim(ctx, w.addr, w.prev, c.self, w.links, time.Now())
}

// Take returns the outcomes since the last call.
func (c *claimer) Take() []outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.done
	c.done = nil
	for i, o := range out {
		delete(c.busy, o.addr)
		switch {
		case o.err == nil:
			delete(c.failed, o.addr)
			continue
		case errors.Is(o.err, context.Canceled):
			continue // called off
		}
		_, out[i].again = c.failed[o.addr]
		c.failed[o.addr] = time.Now()
	}
	return out
}

// Wait returns when every write has ended; nothing may be wanted meanwhile.
func (c *claimer) Wait() { c.tasks.Wait() }
