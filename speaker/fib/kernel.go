package fib

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// ways are routes by prefix.
type ways map[netip.Prefix]announce.Way

func waysOf(list []announce.Way) ways {
	out := make(ways, len(list))
	for _, w := range list {
		out[w.Prefix] = w
	}
	return out
}

// found is what the main table has under our metric.
type found struct {
	ours   ways
	others map[netip.Prefix]netlink.RouteProtocol
}

// readTries is how often a dump is repeated that a change interrupted.
const readTries = 5

// read looks into the kernel's main table.
func (t *Table) read() (found, error) {
	out := found{ours: ways{}, others: map[netip.Prefix]netlink.RouteProtocol{}}
	main := &netlink.Route{Table: unix.RT_TABLE_MAIN}
	routes, err := t.handle.RouteListFiltered(netlink.FAMILY_ALL, main, netlink.RT_FILTER_TABLE)
	for n := 1; n < readTries && errors.Is(err, netlink.ErrDumpInterrupted); n++ {
		routes, err = t.handle.RouteListFiltered(netlink.FAMILY_ALL, main, netlink.RT_FILTER_TABLE)
	}
	if err != nil {
		return out, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		prefix, ok := prefixOf(r)
		switch {
		case !ok || r.Priority != Metric:
		case r.Protocol == Protocol:
			out.ours[prefix] = announce.Way{Prefix: prefix, Via: t.viaOf(r)}
		default:
			out.others[prefix] = r.Protocol
		}
	}
	return out, nil
}

// write makes way a route, in place of ours if there is one, but never in place of
// another program's.
func (t *Table) write(way announce.Way, there bool, other netlink.RouteProtocol) error {
	route, err := t.routeOf(way)
	if err != nil {
		return err
	}
	switch {
	case other != 0:
		err = fmt.Errorf("another program (protocol %d) has a route there with metric %d", other, Metric)
	case there:
		err = t.handle.RouteReplace(route)
	default:
		err = t.handle.RouteAdd(route)
	}
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		err = fmt.Errorf("the next hop is on no link of this node: %w", err)
	}
	if err != nil {
		return fmt.Errorf("BGPPeer %s: spec.toReceive: route to %v via %v: %w", strings.Join(way.Peers, ", "), way.Prefix, way.Via, err)
	}
	return nil
}

// remove takes a route of ours out; one that is gone already is no fault.
func (t *Table) remove(way announce.Way) error {
	delete(t.mine, way.Prefix)
	route := &netlink.Route{Dst: networkOf(way.Prefix), Protocol: Protocol, Priority: Metric, Table: unix.RT_TABLE_MAIN}
	if err := t.handle.RouteDel(route); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("remove route to %v: %w", way.Prefix, err)
	}
	return nil
}

// routeOf puts a way into the kernel's terms.
func (t *Table) routeOf(way announce.Way) (*netlink.Route, error) {
	r := &netlink.Route{Dst: networkOf(way.Prefix), Protocol: Protocol, Priority: Metric, Table: unix.RT_TABLE_MAIN}
	hops := make([]*netlink.NexthopInfo, len(way.Via))
	for i, via := range way.Via {
		hops[i] = &netlink.NexthopInfo{}
		if zone := via.Zone(); zone != "" {
			link, err := t.handle.LinkByName(zone)
			if err != nil {
				return nil, fmt.Errorf("route to %v via %v: %w", way.Prefix, via, err)
			}
			hops[i].LinkIndex = link.Attrs().Index
		}
		if via.Is4() != way.Prefix.Addr().Is4() {
			hops[i].Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: via.AsSlice()}
		} else {
			hops[i].Gw = via.AsSlice()
		}
	}
	if len(hops) == 1 {
		r.LinkIndex, r.Gw, r.Via = hops[0].LinkIndex, hops[0].Gw, hops[0].Via
	} else {
		r.MultiPath = hops
	}
	return r, nil
}

// viaOf are the next hops of a route, sorted as those of a way are.
func (t *Table) viaOf(r netlink.Route) (via []netip.Addr) {
	hops := r.MultiPath
	if len(hops) == 0 {
		hops = []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via}}
	}
	for _, hop := range hops {
		if addr, ok := t.addrOf(hop); ok {
			via = append(via, addr)
		}
	}
	slices.SortFunc(via, netip.Addr.Compare)
	return via
}

// addrOf is the address of a next hop, with the interface's name as zone if it is
// link-local.
func (t *Table) addrOf(hop *netlink.NexthopInfo) (netip.Addr, bool) {
	ip := hop.Gw
	if v, ok := hop.Via.(*netlink.Via); ok {
		ip = v.Addr
	}
	addr, ok := netip.AddrFromSlice(ip)
	if addr = addr.Unmap(); !ok || !addr.IsLinkLocalUnicast() || addr.Is4() {
		return addr, ok
	}
	link, err := t.handle.LinkByIndex(hop.LinkIndex)
	if err != nil {
		return addr, false // it has gone since
	}
	return addr.WithZone(link.Attrs().Name), true
}

// prefixOf is where a route leads; ok is false for what is none of IP.
func prefixOf(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		switch r.Family {
		case unix.AF_INET:
			return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
		case unix.AF_INET6:
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(r.Dst.IP)
	ones, bits := r.Dst.Mask.Size()
	if addr = addr.Unmap(); !ok || addr.BitLen() != bits {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, ones), true
}

func networkOf(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
