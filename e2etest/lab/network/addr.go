package network

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddr gives a link an address with its prefix length. Duplicate address
// detection is off: the lab gives each address once, and must not wait for it.
func (n *Netns) AddAddr(link string, prefix netip.Prefix) error {
	l, err := n.nl.LinkByName(link)
	if err != nil {
		return fmt.Errorf("%s: link %s: %w", n.Name, link, err)
	}
	addr := &netlink.Addr{IPNet: IPNet(prefix)}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := n.nl.AddrAdd(l, addr); err != nil {
		return fmt.Errorf("%s: add %v to %s: %w", n.Name, prefix, link, err)
	}
	return nil
}

// AddRoute adds a route through a gateway; the zero prefix of the gateway's
// family is the default route.
func (n *Netns) AddRoute(prefix netip.Prefix, via netip.Addr) error {
	route := &netlink.Route{Dst: IPNet(prefix), Gw: via.AsSlice()}
	if err := n.nl.RouteReplace(route); err != nil {
		return fmt.Errorf("%s: route %v via %v: %w", n.Name, prefix, via, err)
	}
	return nil
}

// IPNet is the prefix as netlink wants it, host bits kept.
func IPNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}
}

// Route is a route of a kernel table with all of its next hops.
type Route struct {
	Prefix netip.Prefix
	Via    []netip.Addr
}

// Routes returns the main table's routes that have gateways.
func (n *Netns) Routes() ([]Route, error) {
	var routes []Route
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := n.nl.RouteList(nil, family)
		if err != nil {
			return nil, fmt.Errorf("%s: list routes: %w", n.Name, err)
		}
		for _, r := range list {
			if via := gateways(r); len(via) > 0 && r.Dst != nil {
				routes = append(routes, Route{Prefix: toPrefix(r.Dst), Via: via})
			}
		}
	}
	return mergeV6(routes), nil
}

// gateways collects a route's next hops, of either family (RFC 8950 gives IPv4
// routes IPv6 next hops).
func gateways(r netlink.Route) []netip.Addr {
	var via []netip.Addr
	add := func(gw net.IP, v netlink.Destination) {
		if inet, ok := v.(*netlink.Via); ok {
			gw = inet.Addr
		}
		if addr, ok := netip.AddrFromSlice(gw); ok {
			via = append(via, addr.Unmap())
		}
	}
	add(r.Gw, r.Via)
	for _, hop := range r.MultiPath {
		add(hop.Gw, hop.Via)
	}
	return via
}

// mergeV6 joins routes to one prefix: the kernel may list the next hops of an
// IPv6 multipath route one by one.
func mergeV6(routes []Route) []Route {
	var merged []Route
	at := make(map[netip.Prefix]int)
	for _, r := range routes {
		if i, ok := at[r.Prefix]; ok {
			merged[i].Via = append(merged[i].Via, r.Via...)
			continue
		}
		at[r.Prefix] = len(merged)
		merged = append(merged, r)
	}
	return merged
}

func toPrefix(n *net.IPNet) netip.Prefix {
	addr, _ := netip.AddrFromSlice(n.IP) // netlink gives 4 or 16 bytes
	ones, _ := n.Mask.Size()
	if addr.Is4In6() {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(addr, ones)
}

// Neighbour returns the link-layer address the host has for an IP address, as
// its ARP or NDP table says; nil when it has none that is usable.
func (n *Netns) Neighbour(addr netip.Addr) (net.HardwareAddr, error) {
	list, err := n.nl.NeighList(0, family(addr))
	if err != nil {
		return nil, fmt.Errorf("%s: list neighbours: %w", n.Name, err)
	}
	const usable = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT
	for _, neigh := range list {
		ip, _ := netip.AddrFromSlice(neigh.IP)
		if ip.Unmap() == addr && neigh.State&usable != 0 && len(neigh.HardwareAddr) > 0 {
			return neigh.HardwareAddr, nil
		}
	}
	return nil, nil
}

// ForgetNeighbour removes an address from the host's ARP or NDP table.
func (n *Netns) ForgetNeighbour(addr netip.Addr) error {
	list, err := n.nl.NeighList(0, family(addr))
	if err != nil {
		return fmt.Errorf("%s: list neighbours: %w", n.Name, err)
	}
	for _, neigh := range list {
		if ip, _ := netip.AddrFromSlice(neigh.IP); ip.Unmap() == addr {
			n.nl.NeighDel(&neigh) // one that went away by itself is as good
		}
	}
	return nil
}

func family(addr netip.Addr) int {
	if addr.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// Own makes every address of a prefix the host's own, none of them on a link.
func (n *Netns) Own(prefix netip.Prefix) error {
	lo, err := n.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("%s: find loopback: %w", n.Name, err)
	}
	route := &netlink.Route{
		Dst: IPNet(prefix), LinkIndex: lo.Attrs().Index, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	}
	if err := n.nl.RouteReplace(route); err != nil {
		return fmt.Errorf("%s: own %v: %w", n.Name, prefix, err)
	}
	return nil
}
