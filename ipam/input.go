package ipam

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Input is all that a plan is made of, besides the ledger.
type Input struct {
	Pools        []*config.Pool
	Reservations []*config.Reservation // manual and managed, in any order
	Requests     []Request             // no Service twice
	Forgotten    []netip.Addr          // whose managed reservation somebody deleted by hand
	Now          time.Time
}

// Delta is what differs from the Input before: pools, namespace labels and
// manual reservations do not.
type Delta struct {
	Changed   []Request
	Gone      []config.Key // ask for nothing any more
	Forgotten []netip.Addr // whose managed reservation somebody deleted by hand
	Now       time.Time
}

// Request is one Service that the ledger must know of.
type Request struct {
	Service *config.Service
	Labels  map[string]string // of its namespace
	// Bystander: not ours to serve (another class, or no longer of type
	// LoadBalancer), but its status shows addresses. They stay occupied for as
	// long as they are shown; it is given nothing and told nothing.
	Bystander bool
}

// Diff is what one round of planning changed.
type Diff struct {
	Services     []Change
	Memories     []netip.Addr // whose [Memory] changed or ended, or may have for a new leader; sorted
	Reservations []config.Key // manual ones whose [Standing] changed, sorted
}

// Change is what one round of planning changed for one Service.
type Change struct {
	Was     *Entry // nil: nothing was known
	Now     *Entry // nil: nothing is left
	Dropped []Drop // addresses that Was held, or the status showed, and Now does not hold
}

// Key is the Service's.
func (c *Change) Key() config.Key {
	if c.Now != nil {
		return c.Now.Service.Key
	}
	return c.Was.Service.Key
}

// Drop is an address taken from a Service, and why.
type Drop struct {
	Addr netip.Addr
	Why  string
}
