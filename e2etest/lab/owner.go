package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// OwnerOf names the powered-on host that has an address on one of its cards,
// link-local addresses included; "" when none has.
func (l *Lab) OwnerOf(addr netip.Addr) string {
	return l.find(func(h *Host) bool {
		addrs, err := h.Netns.Netlink().AddrList(nil, netlink.FAMILY_ALL)
		return err == nil && slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			ip, _ := netip.AddrFromSlice(a.IP)
			return ip.Unmap() == addr && !ip.IsLoopback()
		})
	})
}

// OwnerOfMAC names the host that has a card with that link-layer address, on or
// off; "" when none has.
func (l *Lab) OwnerOfMAC(hw net.HardwareAddr) string {
	for _, spec := range l.Topo.Hosts {
		for i, link := range spec.Links {
			if slices.Equal(mac(link.Addrs[0].Addr(), i), hw) {
				return spec.Name
			}
		}
	}
	return ""
}

func (l *Lab) find(match func(*Host) bool) string {
	for _, spec := range l.Topo.Hosts {
		if h, err := l.Host(spec.Name); err == nil && match(h) {
			return h.Name
		}
	}
	return ""
}

// NextHops names the hosts that a router's kernel table sends a prefix to, in
// order; nil when it has no such route.
func (l *Lab) NextHops(router string, prefix netip.Prefix) ([]string, error) {
	h, err := l.Host(router)
	if err != nil {
		return nil, err
	}
	routes, err := h.Netns.Routes()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range routes {
		if r.Prefix != prefix {
			continue
		}
		for _, via := range r.Via {
			name := l.OwnerOf(via)
			if name == "" {
				name = via.String()
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Neighbour names the host that a host's ARP or NDP table holds for an address,
// "" when it holds none.
func (l *Lab) Neighbour(from string, addr netip.Addr) (string, error) {
	h, err := l.Host(from)
	if err != nil {
		return "", err
	}
	hw, err := h.Netns.Neighbour(addr)
	if err != nil || hw == nil {
		return "", err
	}
	if name := l.OwnerOfMAC(hw); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("%s has %v at %v, which is no host of the lab", from, addr, hw)
}
