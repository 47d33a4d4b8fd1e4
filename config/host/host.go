// Package host reads this machine's links, addresses, neighbours, routes and
// sysctls and hands them on as values; changes are watched by netlink.
package host

import (
	"net"
	"net/netip"
)

// State is what this host looks like at one moment. It is immutable.
type State struct {
	Links []Link // sorted by name
}

// Link is a network interface.
type Link struct {
	Name     string
	Index    int
	MAC      net.HardwareAddr
	MTU      int
	Up       bool // administratively up and with carrier
	Loopback bool
	Master   string         // bridge or bond it is enslaved to, "" if none
	Lower    string         // what a VLAN or macvlan lies on, "" if none
	Active   string         // of a bond that uses one port at a time: that port
	Kind     string         // netlink kind: veth, bridge, …; "" for hardware
	Prefixes []netip.Prefix // its addresses with their masks
}
