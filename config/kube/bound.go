package kube

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// binders are the reservations whose status binds an address, the one that
// counts first.
type binders map[netip.Addr][]*config.Reservation

func (b *builder) reservation(d *draft, key config.Key) {
	o, _ := get[translated[*config.Reservation]](b.view, kindReservations, key)
	r := o.value
	b.note(d, config.Ref{Kind: config.KindIPReservation, Key: key}, o.problems)
	old, _ := d.reservations.table.Get(key)
	if !d.reservations.put(key, r, r != nil) {
		return
	}
	d.dirty = true
	d.changed.Reservations = append(d.changed.Reservations, key)
	d.changed.Config = d.changed.Config || plansAnew(old, r)
	for _, addr := range b.binders.replace(old, r) {
		first, bound := b.binders.first(addr)
		d.bound.put(addr, first, bound)
	}
}

// plansAnew tells whether a change from old to now (nil: not there) is one of
// what a person reserves. The status, which the controller writes itself, and
// its own reservations are not.
func plansAnew(old, now *config.Reservation) bool {
	if (old == nil || old.Managed) && (now == nil || now.Managed) {
		return false
	}
	if old == nil || now == nil || old.Managed != now.Managed {
		return true
	}
	a, b := *old, *now
	a.Status, b.Status = config.ReservationStatus{}, config.ReservationStatus{}
	return !reflect.DeepEqual(a, b)
}

// replace takes out old and puts in next (nil: none), and returns the
// addresses of both.
func (m binders) replace(old, next *config.Reservation) []netip.Addr {
	touched := boundAddrs(old)
	for _, addr := range touched {
		m[addr] = slices.DeleteFunc(m[addr], func(r *config.Reservation) bool { return r.Key == old.Key })
	}
	for _, addr := range boundAddrs(next) {
		m[addr] = append(m[addr], next)
		slices.SortFunc(m[addr], moreBinding)
		touched = append(touched, addr)
	}
	return touched
}

// first is the reservation that binds addr.
func (m binders) first(addr netip.Addr) (*config.Reservation, bool) {
	if len(m[addr]) == 0 {
		delete(m, addr)
		return nil, false
	}
	return m[addr][0], true
}

func boundAddrs(r *config.Reservation) []netip.Addr {
	if r == nil || r.Status.State != config.ReservationBound {
		return nil
	}
	return slices.Clone(r.Status.Addrs)
}

// moreBinding orders reservations of one address: those made by a person
// first, then the older ones.
func moreBinding(a, b *config.Reservation) int {
	if a.Managed != b.Managed {
		if b.Managed {
			return -1
		}
		return 1
	}
	return cmp.Or(a.Created.Compare(b.Created), a.Key.Compare(b.Key))
}
