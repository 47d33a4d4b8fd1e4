package speaker

import (
	"context"
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
	busy    map[netip.Addr]bool // being written, or the outcome is not taken
	done    []outcome
	workers int

	failed map[netip.Addr]time.Time // of the loop: last failure, if no success since
}

func newClaimer(store claimStore, self string) *claimer {
	return &claimer{
		store: store, self: self, ready: make(chan struct{}, 1),
		busy: map[netip.Addr]bool{}, failed: map[netip.Addr]time.Time{},
	}
}

// Want makes list all that is to be written. What is being written goes on;
// what failed less than a second ago has to wait for the next call.
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
	for _, w := range list {
		at, failed := c.failed[w.addr]
		if !c.busy[w.addr] && (!failed || now.Sub(at) >= retryAfter) {
			c.queue = append(c.queue, w)
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
		w, ok := c.next(ctx)
		if !ok {
			return
		}
		o := outcome{change: w}
		o.claim, o.err = c.write(ctx, w)
		c.mu.Lock()
		c.done = append(c.done, o)
		c.mu.Unlock()
		select {
		case c.ready <- struct{}{}:
		default:
		}
	}
}

func (c *claimer) next(ctx context.Context) (change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && ctx.Err() == nil {
		w := c.queue[0]
		c.queue = c.queue[1:]
		if !c.busy[w.addr] {
			c.busy[w.addr] = true
			return w, true
		}
	}
	c.workers--
	return change{}, false
}

func (c *claimer) write(ctx context.Context, w change) (*config.L2Claim, error) {
	limited, cancel := context.WithTimeout(ctx, swapTimeout)
	defer cancel()
	if w.drop {
		return nil, c.store.DeleteClaim(limited, w.prev)
	}
	return c.store.SwapClaim(limited, w.addr, w.prev, c.self, w.links, time.Now())
}

// Take returns the outcomes since the last call.
func (c *claimer) Take() []outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.done
	c.done = nil
	for i, o := range out {
		delete(c.busy, o.addr)
		if o.err == nil {
			delete(c.failed, o.addr)
			continue
		}
		_, out[i].again = c.failed[o.addr]
		c.failed[o.addr] = time.Now()
	}
	return out
}

// Wait returns when every write has ended; nothing may be wanted meanwhile.
func (c *claimer) Wait() { c.tasks.Wait() }
