package gobgp

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// write makes one edit in the kernel's main table. A route that is replaced goes
// first: the kernel would keep some of the old next hops of an IPv6 route.
func write(c change) error {
	route := &netlink.Route{
		Dst:      &net.IPNet{IP: c.prefix.Addr().AsSlice(), Mask: net.CIDRMask(c.prefix.Bits(), c.prefix.Addr().BitLen())},
		Protocol: unix.RTPROT_BGP,
	}
	if err := netlink.RouteDel(route); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("remove route %v: %w", c.prefix, err)
	}
	switch len(c.hops) {
	case 0:
		return nil
	case 1:
		route.Gw = c.hops[0].AsSlice()
	default:
		for _, hop := range c.hops {
			route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{Gw: hop.AsSlice()})
		}
	}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add route %v via %v: %w", c.prefix, c.hops, err)
	}
	return nil
}
