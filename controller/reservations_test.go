package controller

import (
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/steelyard-lb/steelyard/config"
)

// lasting is a pool that remembers.
func lasting(retain, reuseAfter time.Duration) *config.Pool {
	p := pool("public", "192.0.2.10-192.0.2.11")
	p.Retain, p.ReuseAfter = retain, reuseAfter
	return p
}

// TestMemoryIsWrittenFirst: the reservation is there before a status shows the
// address, stays when the Service goes, gives the address back to the Service
// of that name, and ends in time.
func TestMemoryIsWrittenFirst(t *testing.T) {
	c := newCluster(lasting(time.Minute, 0))
	l := newLeader(c, Options{})
	c.set(service("a"))
	l.run()
	if len(c.writes) < 2 || c.writes[0] != "reservation a-192.0.2.10 Bound" || c.writes[1] != "service a 192.0.2.10 VIP public true/Allocated" {
		t.Fatalf("written: %q", c.writes)
	}
	c.drain()
	l.run()
	expect(t, c, nil, nil) // a decision repeated is silent

	c.remove("a")
	c.set(service("b"))
	l.run()
	expect(t, c, []string{
		"reservation a-192.0.2.10 Released", "reservation b-192.0.2.11 Bound",
		"service b 192.0.2.11 VIP public true/Allocated",
	}, []string{"b Normal IPAllocated"})

	c.set(service("a"))
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Bound", "service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})

	c.remove("a")
	l.run()
	c.drain()
	c.set(service("c"))
	l.run()
	expect(t, c, []string{"service c    false/PoolExhausted"}, []string{"c Warning AllocationFailed"})
	if n := testutil.ToFloat64(l.metrics.resting); n != 1 {
		t.Errorf("%v addresses rest by the metric", n)
	}
	l.now = l.now.Add(time.Minute)
	if wait := l.due(l.now); wait != 0 {
		t.Fatalf("nothing is due when the minute is over, but in %v", wait)
	}
	l.wake(l.now)
	l.write()
	l.run()
	expect(t, c, []string{
		"reservation a-192.0.2.10 deleted", "reservation c-192.0.2.10 Bound", "service c 192.0.2.10 VIP public true/Allocated",
	}, []string{"c Normal IPAllocated"})
}

// TestNewLeaderRemembers what a leader before it wrote, and what it could not
// write any more.
func TestNewLeaderRemembers(t *testing.T) {
	c := newCluster(lasting(time.Minute, 0))
	l := newLeader(c, Options{})
	c.set(service("a"))
	c.set(service("b"))
	l.run()
	c.remove("a") // while nobody leads
	c.drain()
	l = newLeader(c, Options{})
	c.changed = config.Changes{All: true}
	c.set(service("c"))
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Released", "service c    false/PoolExhausted"}, []string{"c Warning AllocationFailed"})
	c.remove("c")
	c.set(service("a"))
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Bound", "service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
}

// TestMemoryDeletedByHand: a person ends a rest early; what a Service holds is
// remembered again.
func TestMemoryDeletedByHand(t *testing.T) {
	c := newCluster(lasting(0, time.Hour))
	l := newLeader(c, Options{})
	c.set(service("a"))
	c.set(service("b"))
	l.run()
	c.remove("a")
	c.set(service("c"))
	l.run()
	c.drain()
	c.unreserve(config.Key{Namespace: "t", Name: "a-192.0.2.10"})
	c.unreserve(config.Key{Namespace: "t", Name: "b-192.0.2.11"})
	l.run()
	expect(t, c, []string{
		"reservation b-192.0.2.11 Bound", "reservation c-192.0.2.10 Bound", "service c 192.0.2.10 VIP public true/Allocated",
	}, []string{"c Normal IPAllocated"})
}

// TestStaticReservation: an address waits for its Service; what cannot be had
// is said on the reservation.
func TestStaticReservation(t *testing.T) {
	c := newCluster(public)
	c.reserve(&config.Reservation{
		Key: config.Key{Namespace: "t", Name: "fixed"}, UID: "u1", Service: "web", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")},
	})
	c.reserve(&config.Reservation{
		Key: config.Key{Namespace: "t", Name: "wild"}, UID: "u2", Service: "web", Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.1")},
	})
	l := newLeader(c, Options{})
	c.set(service("a"))
	l.run()
	expect(t, c, []string{"reservation fixed Reserved", "reservation wild Refused", "service a 192.0.2.11 VIP public true/Allocated"},
		[]string{"a Normal IPAllocated", "wild Warning AddressNotInPool"})
	c.set(service("web"))
	l.run()
	expect(t, c, []string{"reservation fixed Bound", "service web 192.0.2.10 VIP public true/Allocated"}, []string{"web Normal IPAllocated"})
	if got := c.reserved[config.Key{Namespace: "t", Name: "fixed"}].Status; got.Pool != "public" || got.Bound.IsZero() || len(got.Addrs) != 1 {
		t.Errorf("status: %+v", got)
	}
}

// TestKeptAddressIsReserved: a Service keeps its address when the pool shrinks,
// and a reservation tells the nodes that it is ours.
func TestKeptAddressIsReserved(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	c.set(service("a"))
	c.set(service("b"))
	l.run()
	c.drain()
	c.setPools(pool("public", "192.0.2.10-192.0.2.10"))
	l.run()
	expect(t, c, []string{"reservation b-192.0.2.11 Bound", "service b 192.0.2.11 VIP public true/PoolGone"}, []string{"b Warning PoolGone"})
	c.setPools(public)
	l.run()
	expect(t, c, []string{"reservation b-192.0.2.11 deleted", "service b 192.0.2.11 VIP public true/Allocated"}, nil)
}
