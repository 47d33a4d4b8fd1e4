package speaker

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// slowStore takes a second for a write, and counts.
type slowStore struct {
	mu       sync.Mutex
	now, max int
	written  []netip.Addr
	err      error
}

func (s *slowStore) SwapClaim(ctx context.Context, addr netip.Addr, _ *config.L2Claim, owner string, _ []string, _ time.Time) (*config.L2Claim, error) {
	s.mu.Lock()
	s.now++
	s.max = max(s.max, s.now)
	s.written = append(s.written, addr)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
		return &config.L2Claim{Addr: addr, Owner: owner, Version: "1"}, s.err
	}
}

func (s *slowStore) DeleteClaim(context.Context, *config.L2Claim) error { return s.err }

func changes(n int) (list []change) {
	addr := addr4
	for range n {
		list = append(list, change{addr: addr})
		addr = addr.Next()
	}
	return list
}

func TestClaimerLimitsAndForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{}
		c := newClaimer(store, "n1")
		c.Want(t.Context(), changes(100))
		c.Want(t.Context(), changes(100)) // the same again
		time.Sleep(time.Second / 2)
		c.Want(t.Context(), changes(swapLimit)) // what is not begun is not wanted any more
		c.Wait()
		if store.max != swapLimit || len(store.written) != swapLimit {
			t.Errorf("%d at a time, %d in all, want %d", store.max, len(store.written), swapLimit)
		}
		if got := len(c.Take()); got != swapLimit {
			t.Errorf("%d outcomes", got)
		}
	})
}

// A write that is not wanted any more is called off, and is no failure that the
// next one has to wait for.
func TestClaimerCallsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{}
		c := newClaimer(store, "n1")
		list := changes(2)
		c.Want(t.Context(), list)
		time.Sleep(100 * time.Millisecond)
		start := time.Now()
		c.Want(t.Context(), list[1:])
		synctest.Wait()
		if got := c.Take(); len(got) != 1 || got[0].addr != list[0].addr || !errors.Is(got[0].err, context.Canceled) {
			t.Errorf("outcomes %+v", got)
		}
		c.Want(t.Context(), list)
		c.Wait()
		if got := c.Take(); len(got) != 2 || got[0].err != nil || got[1].err != nil || time.Since(start) != time.Second {
			t.Errorf("after %v: outcomes %+v", time.Since(start), got)
		}
	})
}

// Until the loop has taken an outcome it cannot know the new record, and would
// ask for a swap that must fail.
func TestClaimerWaitsForTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{}
		c := newClaimer(store, "n1")
		c.Want(t.Context(), changes(1))
		c.Wait()
		c.Want(t.Context(), changes(1))
		c.Wait()
		if len(store.written) != 1 {
			t.Errorf("written %d times", len(store.written))
		}
		c.Take()
		c.Want(t.Context(), changes(1))
		c.Wait()
		if len(store.written) != 2 {
			t.Error("an address is stuck")
		}
	})
}

func TestClaimerPacesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{err: errors.New("no")}
		c := newClaimer(store, "n1")
		again := 0
		for range 100 { // 10 s of wanting it all the time
			c.Want(t.Context(), changes(1))
			time.Sleep(100 * time.Millisecond)
			for _, o := range c.Take() {
				if o.again {
					again++
				}
			}
		}
		c.Wait()
		if n := len(store.written); n < 4 || n > 6 || again < n-2 {
			t.Errorf("%d attempts of a second each in 10 s, %d known as repeated", n, again)
		}
	})
}

// Nobody takes outcomes while the agent goes away: nothing may block.
func TestClaimerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newClaimer(&slowStore{}, "n1")
		c.Want(ctx, changes(1000))
		time.Sleep(2500 * time.Millisecond)
		begin := time.Now()
		cancel()
		c.Wait()
		if took := time.Since(begin); took != 0 {
			t.Errorf("ended after %v", took)
		}
	})
}
