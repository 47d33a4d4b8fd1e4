package controller

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

func (c *cluster) PutReservation(_ context.Context, key config.Key, service string, addr netip.Addr, st config.ReservationStatus) error {
	return c.take(fmt.Sprintf("reservation %s %s", key.Name, st.State), func() {
		c.reserve(&config.Reservation{
			Key: key, UID: c.uidOf(key), Service: service, Addrs: []netip.Addr{addr}, Managed: true, Status: st,
		})
	})
}

func (c *cluster) PatchReservation(_ context.Context, r *config.Reservation, st config.ReservationStatus) error {
	return c.take(fmt.Sprintf("reservation %s %s", r.Name, st.State), func() {
		n := *r
		n.Status = st
		c.reserve(&n)
	})
}

func (c *cluster) DeleteReservation(_ context.Context, key config.Key, uid string) error {
	return c.take("reservation "+key.Name+" deleted", func() {
		if r := c.reserved[key]; r != nil && r.UID == uid {
			c.unreserve(key)
		}
	})
}

// uidOf is the uid of the reservation of that key, a new one if there is none.
func (c *cluster) uidOf(key config.Key) string {
	if r := c.reserved[key]; r != nil {
		return r.UID
	}
	c.made++
	return fmt.Sprintf("uid-%d", c.made)
}

// reserve puts a reservation in; the caller has the lock.
func (c *cluster) reserve(r *config.Reservation) {
	c.reserved[r.Key] = r
	c.changed.Reservations = append(c.changed.Reservations, r.Key)
	c.changed.Config = c.changed.Config || !r.Managed
}

func (c *cluster) unreserve(key config.Key) {
	if r, ok := c.reserved[key]; ok {
		delete(c.reserved, key)
		c.changed.Reservations = append(c.changed.Reservations, key)
		c.changed.Config = c.changed.Config || !r.Managed
	}
}
