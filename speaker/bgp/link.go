package bgp

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/go-kit/log/level"
)

// lose ends the session of a router that is not found on its link, or whose VRF
// is not there, or not any more; it is resumed where the router is found. why is empty as long as it has
// had no time to be found.
func (s *session) lose(why string) {
	if s.srv != nil {
		s.part(Reason{KindSilent, cmp.Or(why, "the link to the router was renewed")})
	}
	var missing Reason
	if why != "" {
		missing = Reason{KindSilent, why}
	}
	s.rejoin, s.overdue, s.clean = nil, nil, false
	s.state.Addr, s.state.State = netip.Addr{}, idle
	if s.state.Failing != missing && why != "" {
		level.Info(s.logger).Log("msg", "session does not come up", "reason", why)
	}
	s.state.Failing = missing
	s.problem(nil)
	s.publish()
}

// byNumber is addr with the number of the interface that is its zone, if it has
// one: the net package remembers names for a minute, and would connect by an
// interface that has been renewed.
func byNumber(addr netip.Addr) (netip.Addr, error) {
	if addr.Zone() == "" {
		return addr, nil
	}
	link, err := net.InterfaceByName(addr.Zone())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find interface %s: %w", addr.Zone(), err)
	}
	return addr.WithZone(strconv.Itoa(link.Index)), nil
}
