package policy

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// A client may make its burst at once, one request more in each interval, and others
// are not held against it.
func TestLimiter(t *testing.T) {
	exempt := netip.MustParsePrefix("198.51.100.0/24")
	l := NewLimiter([]config.RateLimit{{Every: time.Second, Burst: 3, Exempt: []netip.Prefix{exempt}}})
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	allowed := func(addr netip.Addr, asks int, now time.Duration) (n int) {
		for range asks {
			if l.Allows(addr, now) {
				n++
			}
		}
		return n
	}
	for i, c := range []struct {
		addr netip.Addr
		asks int
		now  time.Duration
		want int
	}{
		{one, 10, time.Hour, 4},
		{one, 10, time.Hour + 999*time.Millisecond, 0},
		{one, 10, time.Hour + time.Second, 1},
		{netip.MustParseAddr("::ffff:192.0.2.1"), 10, time.Hour + time.Second, 0},
		{other, 10, time.Hour + time.Second, 4},
		{one, 10, 2 * time.Hour, 4},
		{exempt.Addr(), 10, time.Hour, 10},
		{netip.MustParseAddr("2001:db8::1"), 10, time.Hour, 4},
		{netip.MustParseAddr("2001:db8::2"), 10, time.Hour, 0}, // of the same network
		{netip.MustParseAddr("2001:db8:0:1::1"), 10, time.Hour, 4},
	} {
		if got := allowed(c.addr, c.asks, c.now); got != c.want {
			t.Errorf("case %d: %v is allowed %d of %d, want %d", i, c.addr, got, c.asks, c.want)
		}
	}
	if !(*Limiter)(nil).Allows(one, 0) || NewLimiter(nil) != nil {
		t.Error("nothing is limited")
	}
}

// All limits hold.
func TestLimiterOfTwo(t *testing.T) {
	l := NewLimiter([]config.RateLimit{{Every: time.Millisecond, Burst: 100}, {Every: time.Minute, Burst: 1}})
	got := 0
	for i := range 50 {
		if l.Allows(netip.MustParseAddr("192.0.2.1"), time.Hour+time.Duration(i)*time.Millisecond) {
			got++
		}
	}
	if got != 2 {
		t.Errorf("%d requests are allowed", got)
	}
}

// However many clients come, memory is bounded and one that goes on asking is known.
func TestLimiterOfMany(t *testing.T) {
	l := NewLimiter([]config.RateLimit{{Every: time.Second, Burst: 50}})
	eager, refused := netip.MustParseAddr("192.0.2.1"), 0
	addr := netip.MustParseAddr("10.0.0.0")
	for range 20 * clients {
		l.Allows(addr, time.Hour)
		addr = addr.Next()
		if !l.Allows(eager, time.Hour) {
			refused++
		}
	}
	if refused < 19*clients {
		t.Errorf("one client among many is refused %d times", refused)
	}
}

// Many at once are counted each.
func TestLimiterAtOnce(t *testing.T) {
	l := NewLimiter([]config.RateLimit{{Every: time.Second, Burst: 99}})
	l.Allows(netip.MustParseAddr("192.0.2.1"), time.Hour)
	var n atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if l.Allows(netip.MustParseAddr("192.0.2.1"), time.Hour) {
					n.Add(1)
				}
			}
		})
	}
	if all.Wait(); n.Load() != 99 {
		t.Errorf("%d are allowed", n.Load())
	}
}

func TestJudgeCrowded(t *testing.T) {
	p := &config.IngressPolicy{Rates: []config.RateLimit{{Every: time.Second}}}
	limiter := NewLimiter(p.Rates)
	one, two := New(p, "/a", limiter), New(p, "/b", limiter)
	if a := one.Judge(asking(t, "GET", "http://a.test/a")); a != nil {
		t.Errorf("the first is answered %v", a)
	}
	if a := two.Judge(asking(t, "GET", "http://a.test/b")); a == nil || a.Status != 503 {
		t.Errorf("the second, for another path, is answered %v", a)
	}
}
