package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// TestReservationsThatCameAndWent leave nothing behind: names without number
// pass through a leader's life.
func TestReservationsThatCameAndWent(t *testing.T) {
	c := newCluster(lasting(time.Second, 0))
	l := newLeader(c, Options{})
	for i := range 50 {
		name := fmt.Sprintf("job-%d", i)
		c.set(service(name))
		l.run()
		c.remove(name)
		l.run()
		l.now = l.now.Add(time.Minute)
		l.wake(l.now)
		l.write()
		l.run()
	}
	if len(c.reserved) != 0 || len(l.kept) != 0 || len(l.out.slots) > 1 {
		t.Errorf("%d reservations, %d names and %d slots are left", len(c.reserved), len(l.kept), len(l.out.slots))
	}
}

// TestDropOvertakesMemory: the delete of a memory that ended is carried out
// after the memory that the Service of that name has anew. It is written again.
func TestDropOvertakesMemory(t *testing.T) {
	c := newCluster(lasting(time.Minute, 0))
	l := newLeader(c, Options{})
	c.set(service("a"))
	l.run()
	c.remove("a")
	l.run()
	l.now = l.now.Add(time.Hour)
	l.wake(l.now)
	drop := l.out.slots[reservationRef(config.Key{Namespace: "t", Name: "a-192.0.2.10"})].next
	if drop == nil || !drop.drop {
		t.Fatalf("due: %+v", drop)
	}
	l.out.begin(drop)
	c.set(service("a"))
	l.run()
	c.drain()
	l.finish(result{drop, l.perform(context.Background(), drop)}, l.now)
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Bound", "reservation a-192.0.2.10 deleted"}, nil)
	if c.reserved[config.Key{Namespace: "t", Name: "a-192.0.2.10"}] == nil {
		t.Error("the memory is lost")
	}
}

// TestDeletedByHandAfterOurs: that we once deleted a reservation of that name
// is no reason to take a person's deletion for ours.
func TestDeletedByHandAfterOurs(t *testing.T) {
	c := newCluster(lasting(0, time.Minute))
	l := newLeader(c, Options{})
	key := config.Key{Namespace: "t", Name: "a-192.0.2.10"}
	c.set(service("a"))
	l.run()
	c.remove("a")
	l.run()
	l.now = l.now.Add(time.Hour)
	l.wake(l.now)
	l.write()
	c.set(service("a"))
	l.step(c.snapshot(), l.now)
	l.write() // the snapshot after shows the old one's end and the new one at once
	l.run()
	c.drain()
	c.unreserve(key)
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Bound"}, nil)
}

// TestNamespaceGone: an address rests although its reservation goes with the
// namespace, where it cannot be written again.
func TestNamespaceGone(t *testing.T) {
	c := newCluster(lasting(0, time.Hour))
	l := newLeader(c, Options{})
	c.set(service("a"))
	c.set(service("b"))
	l.run()
	c.remove("a")
	l.run()
	c.drain()
	delete(c.spaces, "t")
	c.changed.Config = true
	l.run()
	c.unreserve(config.Key{Namespace: "t", Name: "a-192.0.2.10"})
	other := service("c")
	other.Namespace = "u"
	c.set(other)
	l.run()
	expect(t, c, []string{"service c    false/PoolExhausted"}, []string{"c Warning AllocationFailed"})
}

// TestDeletedByHandAmidConfig: a person's deletion counts as well if the
// configuration changes at that moment.
func TestDeletedByHandAmidConfig(t *testing.T) {
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
	c.changed.Config = true
	l.run()
	expect(t, c, []string{"reservation c-192.0.2.10 Bound", "service c 192.0.2.10 VIP public true/Allocated"}, []string{"c Normal IPAllocated"})
}

// TestUnreadableReservation is told so by its status, also when it could be
// read before, and has an ordinary status once it can be read.
func TestUnreadableReservation(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	fixed := &config.Reservation{
		Key: config.Key{Namespace: "t", Name: "fixed"}, UID: "u1", Service: "web", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.10")},
	}
	c.reserve(fixed)
	l.run()
	c.drain()
	c.unreserve(fixed.Key) // it was edited
	c.problems = []config.Problem{{Object: reservationRef(fixed.Key), Reason: "Invalid", Message: "unreadable"}}
	l.run()
	if got := c.status[reservationRef(fixed.Key).String()].Conditions; len(got) != 1 || got[0].Status {
		t.Errorf("conditions of the unreadable one: %+v", got)
	}
	c.drain()
	c.problems = nil
	c.reserve(fixed)
	l.run()
	expect(t, c, []string{"reservation fixed Reserved"}, nil)
}

// TestRefusalIsToldOnce, and again when it comes back, however many snapshots
// there are between.
func TestRefusalIsToldOnce(t *testing.T) {
	c := newCluster(public)
	l := newLeader(c, Options{})
	wild := &config.Reservation{
		Key: config.Key{Namespace: "t", Name: "wild"}, UID: "u1", Service: "web", Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.1")},
	}
	c.reserve(wild)
	l.run()
	expect(t, c, []string{"reservation wild Refused"}, []string{"wild Warning AddressNotInPool"})
	c.set(service("a"))
	l.run()
	expect(t, c, []string{"service a 192.0.2.10 VIP public true/Allocated"}, []string{"a Normal IPAllocated"})
	c.setPools(public, pool("more", "198.51.100.1-198.51.100.1"))
	l.run()
	expect(t, c, []string{"reservation wild Reserved"}, nil)
	c.setPools(public)
	l.run()
	expect(t, c, []string{"reservation wild Refused"}, []string{"wild Warning AddressNotInPool"})
}

// TestNameTakenByTheUnreadable: a Service does not wait for a memory whose name
// an object has that cannot be read. Once that is gone, it is remembered.
func TestNameTakenByTheUnreadable(t *testing.T) {
	c := newCluster(lasting(time.Minute, 0))
	l := newLeader(c, Options{})
	key := config.Key{Namespace: "t", Name: "a-192.0.2.10"}
	c.problems = []config.Problem{{Object: reservationRef(key), Reason: "Invalid", Message: "edited by hand"}}
	c.fail = func(what string) error {
		if what == "reservation a-192.0.2.10 Bound" {
			return config.ErrTaken
		}
		return nil
	}
	c.set(service("a"))
	l.run()
	writes, _ := c.drain()
	if want := []string{"service a 192.0.2.10 VIP public true/Allocated"}; !slices.Equal(writes, want) {
		t.Errorf("written: %q, want %q", writes, want)
	}
	c.problems, c.fail = nil, nil
	l.now = l.now.Add(time.Minute)
	l.run()
	expect(t, c, []string{"reservation a-192.0.2.10 Bound"}, nil)
}
