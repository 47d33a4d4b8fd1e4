package speaker

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// swapLimit bounds the claims written at one time: a takeover of many
// addresses is a burst, and the API server has other callers.
const swapLimit = 16

// swapTimeout bounds one write. It is below the time after which a client
// would give up, so that an API server that hangs is found out early.
const swapTimeout = 2 * time.Second

// claimStore is all the agent asks of the API about claims.
type claimStore interface {
	// SwapClaim makes owner the owner of addr if the record still is prev
	// (nil: if there is none), and returns the new record.
	SwapClaim(ctx context.Context, addr netip.Addr, prev *config.L2Claim, owner string, now time.Time) (*config.L2Claim, error)
	// DeleteClaim removes the record if it still is as given.
	DeleteClaim(ctx context.Context, claim *config.L2Claim) error
}

// swapped is the outcome of one swap.
type swapped struct {
	addr  netip.Addr
	claim *config.L2Claim // the new record, if err is nil
	err   error
}

// claimer swaps claims in, several at a time, away from the agent's loop.
type claimer struct {
	store   claimStore
	self    string
	results chan swapped

	mu     sync.Mutex
	flying map[netip.Addr]bool
	slots  chan struct{}
	tasks  sync.WaitGroup
}

func newClaimer(store claimStore, self string) *claimer {
	return &claimer{
		store: store, self: self, results: make(chan swapped),
		flying: map[netip.Addr]bool{}, slots: make(chan struct{}, swapLimit),
	}
}

// Swap starts to take over addr from the record prev, unless that is under way.
func (c *claimer) Swap(ctx context.Context, addr netip.Addr, prev *config.L2Claim) {
	c.start(ctx, addr, func(ctx context.Context) (*config.L2Claim, error) {
		return c.store.SwapClaim(ctx, addr, prev, c.self, time.Now())
	})
}

// Drop starts to delete a record that nobody needs any more.
func (c *claimer) Drop(ctx context.Context, claim *config.L2Claim) {
	c.start(ctx, claim.Addr, func(ctx context.Context) (*config.L2Claim, error) {
		return nil, c.store.DeleteClaim(ctx, claim)
	})
}

func (c *claimer) start(ctx context.Context, addr netip.Addr, write func(context.Context) (*config.L2Claim, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flying[addr] {
		return
	}
	c.flying[addr] = true
	c.tasks.Go(func() {
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-c.slots }()
		limited, cancel := context.WithTimeout(ctx, swapTimeout)
		defer cancel()
		claim, err := write(limited)
		c.mu.Lock()
		delete(c.flying, addr)
		c.mu.Unlock()
		select {
		case c.results <- swapped{addr, claim, err}:
		case <-ctx.Done():
		}
	})
}

// Wait returns when every write has ended.
func (c *claimer) Wait() { c.tasks.Wait() }

// overlay holds what this node knows of claims before its snapshot shows it:
// records it wrote itself, and takeovers it decided while the API was away.
type overlay map[netip.Addr]*config.L2Claim

// Over is the claims of the snapshot with what is newer in o. Entries that the
// snapshot has caught up with are forgotten.
func (o overlay) Over(snap *config.Snapshot) *config.Snapshot {
	for addr, mine := range o {
		if seen, ok := snap.Claims.Get(addr); ok && seen.Epoch >= mine.Epoch {
			delete(o, addr)
		}
	}
	if len(o) == 0 {
		return snap
	}
	edit := snap.Claims.Edit()
	for addr, mine := range o {
		edit.Set(addr, mine)
	}
	view := *snap
	view.Claims = edit.Done()
	return &view
}

// orphans are the records that this node should delete: of addresses that no
// Service has, owned by this node, or by nobody alive if this node is the
// first of the living.
func orphans(snap *config.Snapshot, self string, members []announce.Member) []*config.L2Claim {
	alive, first := map[string]bool{}, ""
	for _, m := range members {
		if m.Alive {
			alive[m.Node] = true
			if first == "" || m.Node < first {
				first = m.Node
			}
		}
	}
	var served map[netip.Addr]bool
	var out []*config.L2Claim
	for addr, claim := range snap.Claims.All() {
		mine := claim.Owner == self || (!alive[claim.Owner] && first == self)
		if !mine || claim.Version == "" {
			continue
		}
		if served == nil {
			served = servedAddrs(snap)
		}
		if !served[addr] {
			out = append(out, claim)
		}
	}
	return out
}

func servedAddrs(snap *config.Snapshot) map[netip.Addr]bool {
	served := make(map[netip.Addr]bool, snap.Services.Len())
	for _, svc := range snap.Services.All() {
		for _, addr := range svc.Addrs {
			served[addr] = true
		}
	}
	return served
}
