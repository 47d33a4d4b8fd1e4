package l4proxy

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Down are the backends that health checks found down, by Service; one without
// any is not in it. It lies over what the snapshot says of readiness. What two
// values have in common they share, so that an [Update] costs what has changed.
type Down = config.Table[config.Key, *Sick]

// Sick are the backends of one Service that are down. It never changes.
type Sick struct{ addrs []netip.AddrPort } // sorted

// NewSick is the set of addrs.
func NewSick(addrs []netip.AddrPort) *Sick {
	sorted := slices.Clone(addrs)
	slices.SortFunc(sorted, netip.AddrPort.Compare)
	return &Sick{slices.Compact(sorted)}
}

// Addrs are the backends, sorted. They must not be changed.
func (s *Sick) Addrs() []netip.AddrPort {
	if s == nil {
		return nil
	}
	return s.addrs
}

// has tells whether the backend at addr is down. A nil set holds none.
func (s *Sick) has(addr netip.AddrPort) bool {
	if s == nil {
		return false
	}
	_, down := slices.BinarySearchFunc(s.addrs, addr, netip.AddrPort.Compare)
	return down
}
