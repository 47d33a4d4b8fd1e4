package host

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readTries is how often a dump is repeated that the kernel interrupted
// because something changed meanwhile.
const readTries = 5

// Read returns what this host, or the network namespace of the calling
// thread, looks like now. It asks by netlink only and needs neither /sys nor
// /proc nor any capability.
func Read() (State, error) {
	for range readTries {
		s, err := readOnce()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return s, err
		}
	}
	return State{}, fmt.Errorf("read links: %w %d times", netlink.ErrDumpInterrupted, readTries)
}

func readOnce() (State, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return State{}, fmt.Errorf("list links: %w", err)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return State{}, fmt.Errorf("list addresses: %w", err)
	}
	return build(links, addrs), nil
}

// build joins links and addresses. It is pure.
func build(links []netlink.Link, addrs []netlink.Addr) State {
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	prefixes := map[int][]netip.Prefix{}
	for _, a := range addrs {
		if p, ok := prefixOf(a); ok {
			prefixes[a.LinkIndex] = append(prefixes[a.LinkIndex], p)
		}
	}
	var s State
	for _, l := range links {
		link := linkOf(l, names, prefixes[l.Attrs().Index])
		s.Links = append(s.Links, link)
	}
	slices.SortFunc(s.Links, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func linkOf(l netlink.Link, names map[int]string, prefixes []netip.Prefix) Link {
	a := l.Attrs()
	kind := l.Type()
	if kind == "device" {
		kind = ""
	}
	slices.SortFunc(prefixes, comparePrefixes)
	return Link{
		Name: a.Name, Index: a.Index, MAC: slices.Clone(a.HardwareAddr), MTU: a.MTU,
		Up:       a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_RUNNING != 0,
		Loopback: a.RawFlags&unix.IFF_LOOPBACK != 0,
		Master:   names[a.MasterIndex], Kind: kind,
		Lower: lowerOf(l, names), Active: activeOf(l, names),
		Prefixes: prefixes,
	}
}

// lowerOf is what l lies on. Others that have a parent have it in another
// namespace, as veths do, or may have.
func lowerOf(l netlink.Link, names map[int]string) string {
	switch l.(type) {
	case *netlink.Vlan, *netlink.Macvlan, *netlink.IPVlan:
		return names[l.Attrs().ParentIndex]
	}
	return ""
}

// activeOf is the port that a bond uses, if it uses one at a time.
func activeOf(l netlink.Link, names map[int]string) string {
	if bond, ok := l.(*netlink.Bond); ok {
		return names[bond.ActiveSlave]
	}
	return ""
}

func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// prefixOf is the address with its mask, as an interface address, not a
// network; ok is false for an address that must not be used: one that failed
// duplicate address detection.
func prefixOf(a netlink.Addr) (p netip.Prefix, ok bool) {
	if a.IPNet == nil || a.Flags&unix.IFA_F_DADFAILED != 0 {
		return p, false
	}
	addr, ok := netip.AddrFromSlice(a.IP)
	if !ok {
		return p, false
	}
	ones, bits := a.Mask.Size()
	addr = addr.Unmap()
	if bits != addr.BitLen() {
		return p, false
	}
	return netip.PrefixFrom(addr, ones), true
}
