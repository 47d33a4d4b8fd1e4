package policy

import (
	"hash/maphash"
	"net/netip"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Limiter counts the requests of the clients of one Ingress. It remembers so many of
// them as fit, those that asked most at last; of others it knows nothing bad. Any number
// of goroutines may ask it.
type Limiter struct {
	of     []config.RateLimit
	tables []atomic.Pointer[[clients]client] // made when the first one asks
}

// NewLimiter makes a Limiter; nil if there is nothing to be limited.
func NewLimiter(of []config.RateLimit) *Limiter {
	if len(of) == 0 {
		return nil
	}
	return &Limiter{of: of, tables: make([]atomic.Pointer[[clients]client], len(of))}
}

// Keeps tells whether it keeps to these limits.
func (l *Limiter) Keeps(of []config.RateLimit) bool { return reflect.DeepEqual(l.of, of) }

// clients is how many are remembered, and ways in how many places one may be.
const clients, ways = 1 << 12, 8

// client is when the requests that a client made would be over, had it made them at the
// rate that it may (the generic cell rate algorithm).
type client struct {
	key  atomic.Uint64
	over atomic.Int64 // since the same moment as now
}

var seed = maphash.MakeSeed()

// Allows counts a request, now, and tells whether it is within all limits.
func (l *Limiter) Allows(addr netip.Addr, now time.Duration) bool {
	if l == nil {
		return true
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() { // a client has all of a network
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	key := maphash.Comparable(seed, addr) | 1 // 0 is nobody
	for i := range l.of {
		if !within(l.of[i].Exempt, addr) && !l.table(i).allows(key, &l.of[i], int64(now)) {
			return false
		}
	}
	return true
}

func (l *Limiter) table(i int) *table {
	t := l.tables[i].Load()
	for t == nil {
		l.tables[i].CompareAndSwap(nil, new([clients]client))
		t = l.tables[i].Load()
	}
	return (*table)(t)
}

type table [clients]client

// allows counts a request of a client. Two at once that come in between may both be
// counted as one: limits are not that exact.
func (t *table) allows(key uint64, r *config.RateLimit, now int64) bool {
	c := t.find(key)
	for {
		was := c.over.Load()
		over := max(was, now)
		if over-now > int64(r.Burst)*int64(r.Every) {
			return false
		}
		if c.over.CompareAndSwap(was, over+int64(r.Every)) {
			return true
		}
	}
}

// find is where a client is counted, in place of whoever asked least if it is new.
func (t *table) find(key uint64) *client {
	var least *client
	for i := range uint64(ways) {
		c := &t[(key>>32+i)%clients]
		if c.key.Load() == key {
			return c
		}
		if least == nil || c.over.Load() < least.over.Load() {
			least = c
		}
	}
	least.key.Store(key)
	least.over.Store(0)
	return least
}
