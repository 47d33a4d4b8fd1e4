package controller

import (
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

// memory is what a managed IPReservation shall say.
type memory struct {
	key     config.Key
	service string
	addr    netip.Addr
	status  config.ReservationStatus
}

func (m *memory) same(o *memory) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.key == o.key && m.service == o.service && m.addr == o.addr && m.status.Equal(o.status)
}

// memoryOf is what shall be kept of addr beyond its Service, nil if nothing.
func (r *reign) memoryOf(addr netip.Addr) *memory {
	m, ok := r.ledger.Memory(addr)
	key := config.Key{Namespace: m.For.Namespace, Name: config.ReservationName(m.For.Name, addr)}
	if o, taken := r.snap.Reservations.Get(key); !ok || taken && !o.Managed {
		return nil // or a person gave the name to a reservation of his own
	}
	return &memory{
		key: key, service: m.For.Name, addr: addr,
		status: config.ReservationStatus{
			State: m.State, Addrs: []netip.Addr{addr}, Pool: m.Pool, PoolLabels: m.PoolLabels,
			Bound: m.Bound, Released: m.Released, RetainedTo: m.RetainedTo, FreeAt: m.FreeAt,
		},
	}
}

// unwritten are the memories of the addresses that e holds which the API does
// not show yet. They are written before the Service's status is, so that an
// address on a Service is never without its memory.
func (r *reign) unwritten(e *ipam.Entry) []*memory {
	if e == nil || !r.remembers {
		return nil
	}
	var out []*memory
	for _, addr := range e.Addrs() {
		if m := r.memoryOf(addr); m != nil && m.status.State == config.ReservationBound && !r.shows(m) {
			out = append(out, m)
		}
	}
	return out
}

// shows tells whether the snapshot has m as it shall be.
func (r *reign) shows(m *memory) bool {
	o, ok := r.snap.Reservations.Get(m.key)
	return ok && o.Managed && o.Service == m.service && slices.Equal(o.Addrs, []netip.Addr{m.addr}) && o.Status.Equal(m.status)
}

// vanished are the addresses whose managed reservation is gone since the
// snapshot before and needed still. Forgotten are those of them where a person
// deleted it: not we, and not Kubernetes with its whole namespace.
func (r *reign) vanished(snap *config.Snapshot) (needed, forgotten []netip.Addr) {
	for _, key := range snap.Changed.Reservations {
		if _, ok := snap.Reservations.Get(key); ok || r.snap == nil {
			continue
		}
		before, ok := r.snap.Reservations.Get(key)
		if !ok || !before.Managed || len(before.Addrs) != 1 {
			continue
		}
		m := r.memoryOf(before.Addrs[0])
		if m == nil || m.key != key {
			continue
		}
		needed = append(needed, m.addr)
		if !ends(snap, key.Namespace) && !r.out.dropped(reservationRef(key), before.UID) {
			forgotten = append(forgotten, m.addr)
		}
	}
	return needed, forgotten
}

// ends tells whether the namespace is being deleted or gone: no reservation
// can be made in it any more.
func ends(snap *config.Snapshot, namespace string) bool {
	_, ok := snap.Namespaces.Get(namespace)
	return !ok
}

// reviewReservations compares reservations with what they shall say: all of
// them, or those that the snapshot or the plan changed. What vanished of those
// that are needed still is written anew.
func (r *reign) reviewReservations(diff ipam.Diff, vanished []netip.Addr, full bool, now time.Time) {
	addrs, keys := slices.Concat(diff.Memories, vanished), slices.Concat(r.snap.Changed.Reservations, diff.Reservations)
	if full {
		for m := range r.ledger.Memories() {
			addrs = append(addrs, m.Addr)
		}
		for key := range r.snap.Reservations.All() {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		o, ok := r.snap.Reservations.Get(key)
		switch {
		case !ok:
			r.forgetReservation(key)
		case !o.Managed:
			r.reviewManual(o, now)
		case len(o.Addrs) == 1:
			r.reviewManaged(key, o.Addrs[0], now)
		}
	}
	for _, addr := range addrs {
		if key, ok := r.kept[addr]; ok {
			r.reviewManaged(key, addr, now) // as it was called until now
		}
		if m := r.memoryOf(addr); m != nil {
			r.reviewManaged(m.key, addr, now)
		}
	}
}

// forgetReservation drops what is to be written of a reservation that is gone.
// One that cannot be read is not in the snapshot either, and is told so by its
// status, like other configuration.
func (r *reign) forgetReservation(key config.Key) {
	r.refuse(key, nil)
	if ref := reservationRef(key); !r.configs[ref] {
		r.out.forget(ref)
	}
}

// reviewManaged asks for the managed reservation of addr called key to be as
// the ledger has it, or to go.
func (r *reign) reviewManaged(key config.Key, addr netip.Addr, now time.Time) {
	ref := reservationRef(key)
	shown, exists := r.snap.Reservations.Get(key)
	m := r.memoryOf(addr)
	if m == nil || m.key != key {
		if r.kept[addr] == key {
			delete(r.kept, addr)
		}
		switch {
		case exists && shown.Managed:
			r.out.put(&write{ref: ref, basis: shown, reservation: shown, drop: true}, now)
		case !exists:
			r.out.settled(ref)
		}
		return
	}
	r.kept[addr] = key
	if r.shows(m) || ends(r.snap, key.Namespace) || r.out.carries(config.Ref{Kind: config.KindService, Key: config.Key{Namespace: key.Namespace, Name: m.service}}, m) {
		r.out.settled(ref)
		return
	}
	r.out.put(&write{ref: ref, basis: shown, memories: []*memory{m}}, now)
}

// reviewManual says on a reservation that a person made how it stands.
func (r *reign) reviewManual(o *config.Reservation, now time.Time) {
	ref := reservationRef(o.Key)
	standing, ok := r.ledger.Standing(o.Key)
	if !ok {
		r.out.settled(ref)
		return
	}
	status := config.ReservationStatus{
		State: standing.State, Pool: standing.Pool, PoolLabels: standing.PoolLabels, Bound: standing.Bound,
		Conditions: []config.Condition{{Type: config.ConditionValid, Status: true, Reason: reasonValid, Message: noFault}},
	}
	r.refuse(o.Key, standing.Refusal)
	if no := standing.Refusal; no != nil {
		status.Conditions[0] = config.Condition{Type: config.ConditionValid, Reason: string(no.Reason), Message: no.Text()}
	}
	if standing.State != config.ReservationRefused {
		status.Addrs = o.Addrs
	}
	if o.Status.Equal(status) {
		r.out.settled(ref)
		return
	}
	r.out.put(&write{ref: ref, basis: o, reservation: o, standing: &status}, now)
}

// refuse notes why the reservation of that key cannot be had; nil: it can, or
// is gone.
func (r *reign) refuse(key config.Key, no *ipam.Refusal) {
	before, known := r.refused[key]
	if no == nil {
		if known {
			delete(r.refused, key)
			r.refusals++
		}
		return
	}
	now := config.Problem{
		Object: reservationRef(key), Field: "spec.addresses", Reason: string(no.Reason), Message: no.Message, Remedy: no.Remedy,
	}
	if now != before {
		r.refused[key] = now
		r.refusals++
	}
}

func reservationRef(key config.Key) config.Ref {
	return config.Ref{Kind: config.KindIPReservation, Key: key}
}
