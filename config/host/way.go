package host

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Way is the link by which a packet leaves this host for an address, as the kernel's
// routing has it now: one of the host's own if in is empty, else one that came from
// an address in by that link, or VRF device. The error says why there is no way.
func Way(to netip.Addr, in string, from netip.Addr) (link string, err error) {
	var options netlink.RouteGetOptions
	if in != "" {
		options.Iif, options.SrcAddr = in, from.AsSlice()
	}
	routes, err := netlink.RouteGetWithOptions(to.AsSlice(), &options)
	if err != nil {
		return "", fmt.Errorf("look up the way to %v: %w", to, err)
	}
	if len(routes) == 0 {
		return "", fmt.Errorf("look up the way to %v: no answer", to)
	}
	out, err := netlink.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return "", fmt.Errorf("look up the way to %v: link %d: %w", to, routes[0].LinkIndex, err)
	}
	return out.Attrs().Name, nil
}
