package ipam

import (
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Standing is how a manual reservation stands.
type Standing struct {
	State      config.ReservationState // Reserved, Bound or Refused
	Pool       string                  // of its addresses, as in the Service's annotation
	PoolLabels map[string]string       // of the pool of its first address
	Bound      time.Time               // since when its Service has one of the addresses
	// Refusal says why an address of it is not kept for its Service; nil if all
	// are. A reservation may be bound by one address and refused the other.
	Refusal *Refusal
}

// Standing is how the manual reservation of that key stands; false: there is
// none.
func (l Ledger) Standing(reservation config.Key) (Standing, bool) {
	return l.standings.Get(reservation)
}
