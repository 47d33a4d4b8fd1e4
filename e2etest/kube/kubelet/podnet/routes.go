package podnet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks our routes to other nodes' pods in the kernel's table
// (rtm_protocol, a number nobody has registered).
const routeProtocol = 251

// Route leads to the pods of another node.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// SyncRoutes makes the routes to other nodes' pods exactly those that are
// wanted. Routes of other origin are left alone.
func SyncRoutes(want []Route) error {
	have, err := ourRoutes()
	if err != nil {
		return err
	}
	wanted := map[Route]bool{}
	var failures []error
	for _, r := range want {
		wanted[r] = true
		if _, ok := have[r]; ok {
			continue
		}
		route := &netlink.Route{Dst: ipNet(r.To), Gw: r.Via.AsSlice(), Protocol: routeProtocol}
		if err := netlink.RouteReplace(route); err != nil {
			failures = append(failures, fmt.Errorf("route %v via %v: %w", r.To, r.Via, err))
		}
	}
	for r, route := range have {
		if wanted[r] || replaced(want, r) {
			continue
		}
		if err := netlink.RouteDel(&route); err != nil && !errors.Is(err, unix.ESRCH) {
			failures = append(failures, fmt.Errorf("remove route %v via %v: %w", r.To, r.Via, err))
		}
	}
	return errors.Join(failures...)
}

// replaced reports whether a wanted IPv4 route has taken the place of an old one.
func replaced(want []Route, old Route) bool {
	for _, r := range want {
		if r.To == old.To && r.To.Addr().Is4() {
			return true
		}
	}
	return false
}

func ourRoutes() (map[Route]netlink.Route, error) {
	filter := &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN}
	out := map[Route]netlink.Route{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range list {
			if r.Dst == nil {
				continue
			}
			addr, _ := netip.AddrFromSlice(r.Dst.IP)
			bits, _ := r.Dst.Mask.Size()
			via, _ := netip.AddrFromSlice(r.Gw)
			out[Route{To: netip.PrefixFrom(addr.Unmap(), bits), Via: via.Unmap()}] = r
		}
	}
	return out, nil
}
