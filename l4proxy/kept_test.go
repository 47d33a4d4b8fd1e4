package l4proxy

import (
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// An address that a pool edit left without a pool is served on, first because
// this process saw it in the pool, then because a reservation binds it.
func TestAddressIsServedAfterItsPoolIsGone(t *testing.T) {
	o := Options{Node: "n1"}
	snap := cluster(&config.Service{AllocatedFrom: "p"}, "10.0.1.1@n1")
	snap.Revision = 1
	table := Build(snap, o)

	gone := *snap
	gone.Revision, gone.Pools, gone.Former = 2, nil, snap.Pools
	gone.Changed = config.Changes{Config: true}
	table = Update(table, &gone, o)
	if got := describe(table, "198.51.100.1:80"); got != "10.0.1.1" {
		t.Errorf("after the edit: %q", got)
	}

	// A speaker that starts now knows the pool only by the reservation.
	addr := netip.MustParseAddr("198.51.100.1")
	r := &config.Reservation{
		Key: config.Key{Namespace: "default", Name: "web-198.51.100.1"}, Service: "web", Addrs: []netip.Addr{addr},
		Status: config.ReservationStatus{State: config.ReservationBound, Addrs: []netip.Addr{addr}, Pool: "p"},
	}
	bare := gone
	bare.Revision, bare.Former, bare.Changed = 3, nil, config.Changes{Config: true}
	if table = Update(table, &bare, o); describe(table, "198.51.100.1:80") != "pass" {
		t.Error("an address that is nobody's is served")
	}
	bound := bare
	bound.Revision = 4
	bound.Reservations = config.TableOf(map[config.Key]*config.Reservation{r.Key: r})
	bound.Bound = config.TableOf(map[netip.Addr]*config.Reservation{addr: r})
	bound.Changed = config.Changes{Reservations: []config.Key{r.Key}}
	if table = Update(table, &bound, o); describe(table, "198.51.100.1:80") != "10.0.1.1" {
		t.Errorf("with the reservation: %q", describe(table, "198.51.100.1:80"))
	}

	// It goes: nobody says any more that the address is ours.
	left := bound
	left.Revision, left.Changed = 5, config.Changes{Reservations: []config.Key{r.Key}}
	left.Reservations, left.Bound = config.Table[config.Key, *config.Reservation]{}, config.Table[netip.Addr, *config.Reservation]{}
	if table = Update(table, &left, o); describe(table, "198.51.100.1:80") != "pass" {
		t.Error("an address that is nobody's any more is served")
	}
}

// A reservation binds the address for those who share it, too.
func TestSharedAddressIsServedByReservation(t *testing.T) {
	addr := netip.MustParseAddr("198.51.100.1")
	snap := cluster(&config.Service{Want: config.Want{ShareKey: "k"}}, "10.0.1.1@n1")
	snap.Revision, snap.Pools = 1, nil
	table := Build(snap, Options{Node: "n1"})
	r := &config.Reservation{
		Key: config.Key{Namespace: "default", Name: "first-198.51.100.1"}, Service: "first", Addrs: []netip.Addr{addr},
		Status: config.ReservationStatus{State: config.ReservationBound, Addrs: []netip.Addr{addr}, Pool: "p"},
	}
	bound := *snap
	bound.Revision, bound.Changed = 2, config.Changes{Reservations: []config.Key{r.Key}}
	bound.Reservations = config.TableOf(map[config.Key]*config.Reservation{r.Key: r})
	bound.Bound = config.TableOf(map[netip.Addr]*config.Reservation{addr: r})
	if table = Update(table, &bound, Options{Node: "n1"}); describe(table, "198.51.100.1:80") != "10.0.1.1" {
		t.Errorf("with the reservation: %q", describe(table, "198.51.100.1:80"))
	}
}
