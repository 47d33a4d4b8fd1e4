package discovery

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config/host"
)

// Finding is what is known of the router of a link.
type Finding struct {
	Router netip.Addr // its link-local address, with the interface as zone; invalid: not known
	Why    string     // it is not known; empty while there was no time to find it
}

// link is an interface with all that a socket on it depends on.
type link struct {
	name  string
	index int
	mac   string // as bytes
	addr  netip.Addr
}

// place is where to look: on an interface, at one of its link-local addresses;
// or why that cannot be.
type place struct {
	link  link // addr is the first of addrs
	addrs []netip.Addr
	why   string
}

// placeOf finds the interface called name in state.
func placeOf(name string, state host.State) place {
	found, ok := state.Link(name)
	switch {
	case !ok:
		return place{why: "this node has no interface " + name}
	case !found.Up:
		return place{why: "interface " + name + " is down"}
	}
	p := place{link: link{name: name, index: found.Index, mac: string(found.MAC)}}
	for _, prefix := range found.Prefixes {
		if a := prefix.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
			p.addrs = append(p.addrs, a)
		}
	}
	if len(p.addrs) == 0 {
		return place{why: "interface " + name + " has no IPv6 link-local address: is IPv6 switched off there (disable_ipv6, addr_gen_mode)?"}
	}
	p.link.addr = p.addrs[0]
	return p
}

// is tells whether l is still what it was: one more address changes nothing.
func (p place) is(l link) bool {
	same := p.link
	same.addr = l.addr
	return p.why == "" && same == l && slices.Contains(p.addrs, l.addr)
}

// silence is what to say of a link where no router was heard.
func silence(name string) string {
	return "no router has advertised itself on interface " + name +
		" yet: it must send Router Advertisements there (FRR does for \"neighbor ... interface\", BIRD with a radv protocol)"
}
