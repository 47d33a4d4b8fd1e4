package ipam

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// familiesOf lists the families in which a Service asks for an address.
func familiesOf(svc *config.Service) []config.Family {
	fams := svc.Families
	if len(fams) == 0 {
		fams = nil
		for _, ip := range svc.ClusterIPs {
			fams = append(fams, config.FamilyOf(ip))
		}
	}
	switch {
	case len(fams) == 0:
		return []config.Family{config.IPv4}
	case svc.FamilyPolicy == config.SingleStack:
		return fams[:1]
	}
	return fams
}

// wishOf is the address of family f that the Service asks for by name.
func wishOf(svc *config.Service, f config.Family) netip.Addr {
	for _, addr := range svc.Want.Addrs {
		if config.FamilyOf(addr) == f {
			return addr.Unmap()
		}
	}
	return netip.Addr{}
}

// sortHeld puts addresses in the order of the Service's families.
func sortHeld(held []Held, svc *config.Service) {
	fams := familiesOf(svc)
	slices.SortStableFunc(held, func(a, b Held) int {
		return slices.Index(fams, config.FamilyOf(a.Addr)) - slices.Index(fams, config.FamilyOf(b.Addr))
	})
}
