package config

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// ReservationState is how an IPReservation stands.
type ReservationState string

// The states. A reservation that nobody may use as it is (an address in no
// pool, or held by somebody else) is Refused, and its Problem says why.
const (
	ReservationReserved ReservationState = "Reserved" // waits for its Service
	ReservationBound    ReservationState = "Bound"    // its Service has the addresses
	ReservationReleased ReservationState = "Released" // its Service let go of them
	ReservationRefused  ReservationState = "Refused"
)

// Reservation is an IPReservation: addresses kept for the Service of a name,
// in the reservation's own namespace. One that a person made holds for as long
// as it exists; a managed one is the controller's memory of one address, and
// ends.
type Reservation struct {
	Key
	UID     string
	Created time.Time
	Service string       // name of the Service it is for
	Addrs   []netip.Addr // at most one of each family
	Managed bool         // made by the controller, which deletes it when it ends

	// What the controller wrote to the status, which only it may write.
	Status ReservationStatus
}

// For is the key of the Service that the reservation is for.
func (r *Reservation) For() Key { return Key{Namespace: r.Namespace, Name: r.Service} }

// ReservationName is the name of the managed reservation of addr for the
// Service of that name: both, with a '-' between. No two pairs have the same
// name, since IPv6 has one length and IPv4 has the only dots.
func ReservationName(service string, addr netip.Addr) string {
	return service + "-" + AddrName(addr)
}

// Holds tells whether r binds addr to the Service of that key: by the status,
// which users of a namespace cannot write.
func (r *Reservation) Holds(svc Key, addr netip.Addr) bool {
	return r.Status.State == ReservationBound && r.For() == svc && slices.Contains(r.Status.Addrs, addr)
}

// ReservationStatus is the status of an IPReservation. Times are zero where
// they do not apply.
type ReservationStatus struct {
	State      ReservationState
	Addrs      []netip.Addr      // those it stands for
	Pool       string            // where they come from, as in the Service's annotation
	PoolLabels map[string]string // of that pool, for advertisements that choose by label
	Bound      time.Time         // since when its Service has them
	Released   time.Time         // when its Service let go of them
	RetainedTo time.Time         // until then the Service of that name gets them back
	FreeAt     time.Time         // from then on anybody may have them
	Conditions []Condition       // ConditionValid
}

// Equal tells whether s and o say the same.
func (s ReservationStatus) Equal(o ReservationStatus) bool {
	return s.State == o.State && slices.Equal(s.Addrs, o.Addrs) && s.Pool == o.Pool && maps.Equal(s.PoolLabels, o.PoolLabels) &&
		s.Bound.Equal(o.Bound) && s.Released.Equal(o.Released) &&
		s.RetainedTo.Equal(o.RetainedTo) && s.FreeAt.Equal(o.FreeAt) &&
		slices.Equal(s.Conditions, o.Conditions)
}
