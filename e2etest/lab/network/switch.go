package network

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Switch is a namespace that holds bridges: each bridge is one LAN.
type Switch struct {
	ns *Netns
}

// NewSwitch makes the namespace of the bridges. Bridged frames are not shown to
// the IP firewall there: a switch does not track connections.
func NewSwitch(name string) (*Switch, error) {
	ns, err := Create(name)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"bridge.bridge-nf-call-iptables", "bridge.bridge-nf-call-ip6tables"} {
		ns.Sysctl(key, "0") // absent on a kernel without br_netfilter, which is as good
	}
	return &Switch{ns: ns}, ns.Sysctl("ipv6.conf.all.disable_ipv6", "1")
}

// Netns is the namespace the bridges live in.
func (s *Switch) Netns() *Netns { return s.ns }

// AddBridge makes one LAN.
func (s *Switch) AddBridge(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := s.ns.nl.LinkAdd(bridge); err != nil {
		return fmt.Errorf("make bridge %s (needs CONFIG_BRIDGE): %w", name, err)
	}
	return s.ns.nl.LinkSetUp(bridge)
}

// Plug is one cable from a bridge to a host.
type Plug struct {
	Bridge string
	Port   string // its end at the switch, at most 15 characters
	Link   string // its end in the host
	MAC    net.HardwareAddr
}

// Connect lays a cable between a bridge and a host, up at both ends.
func (s *Switch) Connect(host *Netns, p Plug) error {
	bridge, err := s.ns.nl.LinkByName(p.Bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", p.Bridge, err)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = p.Port, bridge.Attrs().Index
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: p.Link, PeerHardwareAddr: p.MAC,
		PeerNamespace: netlink.NsFd(host.handle),
	}
	if err := s.ns.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("lay cable %s to %s (needs CONFIG_VETH): %w", p.Port, host.Name, err)
	}
	if err := s.SetPort(p.Port, true); err != nil {
		return err
	}
	link, err := host.nl.LinkByName(p.Link)
	if err != nil {
		return fmt.Errorf("link %s in %s: %w", p.Link, host.Name, err)
	}
	return host.nl.LinkSetUp(link)
}

// SetPort pulls or plugs a cable: while it is down, the host's end has no
// carrier.
func (s *Switch) SetPort(port string, up bool) error {
	link, err := s.ns.nl.LinkByName(port)
	if err != nil {
		return fmt.Errorf("switch port %s: %w", port, err)
	}
	if up {
		return s.ns.nl.LinkSetUp(link)
	}
	return s.ns.nl.LinkSetDown(link)
}

// Disconnect removes a cable with both of its ends at once.
func (s *Switch) Disconnect(port string) error {
	link, err := s.ns.nl.LinkByName(port)
	if err != nil {
		return fmt.Errorf("switch port %s: %w", port, err)
	}
	if err := s.ns.nl.LinkDel(link); err != nil {
		return fmt.Errorf("remove cable %s: %w", port, err)
	}
	return nil
}
