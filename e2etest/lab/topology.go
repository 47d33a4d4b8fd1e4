package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Kind says what a host of the lab is for.
type Kind string

// The kinds of hosts.
const (
	Plane  Kind = "plane"  // carries the control plane
	Node   Kind = "node"   // runs pods
	Client Kind = "client" // asks
	FRR    Kind = "frr"    // router run by FRR
	BIRD   Kind = "bird"   // router run by BIRD 2
	GoBGP  Kind = "gobgp"  // router made with GoBGP
)

// Link is one network card of a host.
type Link struct {
	Bridge string
	Name   string
	Addrs  []netip.Prefix
}

// Gateway is a static route of a host.
type Gateway struct {
	To  netip.Prefix
	Via netip.Addr
}

// HostSpec describes one host.
type HostSpec struct {
	Name     string
	Kind     Kind
	Links    []Link
	Gateways []Gateway
	ASN      uint32 // routers only
}

// Topology is the plan of a lab network, as data.
type Topology struct {
	Bridges []string
	Hosts   []HostSpec
	NodeASN uint32
	// BFD is the interval of the routers' BFD, of which three are missed.
	BFD time.Duration
}

// Names of the LANs: nodes, clients and the control plane share the first;
// nodes meet the routers on the second.
const (
	LAN    = "lan"
	Fabric = "fabric"
)

// The AS numbers of the lab: nodes, FRR, BIRD and GoBGP.
const (
	NodeASN  = 64512
	FRRASN   = 64500
	BIRDASN  = 64501
	GoBGPASN = 64502
)

// Default is the lab that scenarios use: so many nodes n1, n2, …, two clients on
// their LAN, an FRR, a BIRD and a GoBGP router with a client behind each. The
// nodes' default route leads to the FRR router.
//
//	lan     172.30.0.0/16 fd00:30::/64   cp .0.2, n1 .0.11, n2 .0.12, …, client .0.100, witness .0.101
//	fabric  172.31.0.0/24 fd00:31::/64   frr .1, bird .2, gobgp .3, n1 .11, n2 .12, …
//	flan    172.29.1.0/24 fd00:29:1::/64 frr .1, frrclient .100
//	blan    172.29.2.0/24 fd00:29:2::/64 bird .1, birdclient .100
//	gl      172.29.3.0/24 fd00:29:3::/64 gobgp .1, gobgpclient .100
func Default(nodes int) Topology {
	t := Topology{Bridges: []string{LAN, Fabric, "flan", "blan", "gl"}, NodeASN: NodeASN, BFD: 100 * time.Millisecond}
	t.Hosts = append(t.Hosts, HostSpec{Name: "cp", Kind: Plane, Links: []Link{lanLink(2)}})
	for i := range nodes {
		t.Hosts = append(t.Hosts, nodeSpec(i+1))
	}
	t.Hosts = append(t.Hosts, HostSpec{Name: "client", Kind: Client, Links: []Link{lanLink(100)}})
	t.Hosts = append(t.Hosts, HostSpec{Name: "witness", Kind: Client, Links: []Link{lanLink(101)}})
	t.Hosts = append(t.Hosts, routerSpecs("frr", "flan", FRR, FRRASN, 1)...)
	t.Hosts = append(t.Hosts, routerSpecs("bird", "blan", BIRD, BIRDASN, 2)...)
	t.Hosts = append(t.Hosts, routerSpecs("gobgp", "gl", GoBGP, GoBGPASN, 3)...)
	return t
}

// Demo is the lab of the demo: three nodes, a client, and one router with a
// client behind it, of the kind FRR or GoBGP. Either stands at the same place
// and has the same AS number; hosts are named after it: frr and frrclient, or
// gobgp and gobgpclient.
func Demo(kind Kind) Topology {
	t := Default(3).Without("witness", "frr", "frrclient", "bird", "birdclient", "gobgp", "gobgpclient")
	t.Bridges = []string{LAN, Fabric, "rl"}
	t.Hosts = append(t.Hosts, routerSpecs(string(kind), "rl", kind, FRRASN, 1)...)
	return t
}

// Without is the topology less some hosts.
func (t Topology) Without(names ...string) Topology {
	kept := t
	kept.Hosts = nil
	for _, h := range t.Hosts {
		if !slices.Contains(names, h.Name) {
			kept.Hosts = append(kept.Hosts, h)
		}
	}
	return kept
}

// lanLink is a card on the LAN with the host number in both addresses, written
// the same way: 172.30.0.100 and fd00:30::100.
func lanLink(number int) Link {
	return Link{Bridge: LAN, Name: "eth0", Addrs: dual("172.30.0.%d/16", "fd00:30::%d/64", number)}
}

func fabricLink(name string, number int) Link {
	return Link{Bridge: Fabric, Name: name, Addrs: dual("172.31.0.%d/24", "fd00:31::%d/64", number)}
}

func nodeSpec(i int) HostSpec {
	return HostSpec{
		Name: fmt.Sprintf("n%d", i), Kind: Node,
		Links: []Link{lanLink(10 + i), fabricLink("eth1", 10+i)},
		Gateways: []Gateway{
			via("0.0.0.0/0", "172.31.0.1"), via("::/0", "fd00:31::1"),
			via("172.29.2.0/24", "172.31.0.2"), via("fd00:29:2::/64", "fd00:31::2"),
			via("172.29.3.0/24", "172.31.0.3"), via("fd00:29:3::/64", "fd00:31::3"),
		},
	}
}

// routerSpecs is a router with a LAN of its own and a client there.
func routerSpecs(name, bridge string, kind Kind, asn uint32, number int) []HostSpec {
	lan := func(host int) Link {
		return Link{Bridge: bridge, Name: "eth0", Addrs: dual(
			fmt.Sprintf("172.29.%d.%%d/24", number), fmt.Sprintf("fd00:29:%d::%%d/64", number), host)}
	}
	inner := lan(1)
	inner.Name = "eth1"
	return []HostSpec{
		{Name: name, Kind: kind, ASN: asn, Links: []Link{fabricLink("eth0", number), inner}},
		{Name: name + "client", Kind: Client, Links: []Link{lan(100)}, Gateways: []Gateway{
			via("0.0.0.0/0", fmt.Sprintf("172.29.%d.1", number)),
			via("::/0", fmt.Sprintf("fd00:29:%d::1", number)),
		}},
	}
}

func dual(v4, v6 string, number int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf(v4, number)),
		netip.MustParsePrefix(fmt.Sprintf(v6, number)),
	}
}

func via(to, gateway string) Gateway {
	return Gateway{To: netip.MustParsePrefix(to), Via: netip.MustParseAddr(gateway)}
}

// Of lists the hosts of a kind.
func (t Topology) Of(kind Kind) []HostSpec {
	var hosts []HostSpec
	for _, h := range t.Hosts {
		if h.Kind == kind {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// Addrs are the host's addresses on one bridge, IPv4 first; nil when it is not
// connected there.
func (h HostSpec) Addrs(bridge string) []netip.Addr {
	var addrs []netip.Addr
	for _, link := range h.Links {
		if link.Bridge != bridge {
			continue
		}
		for _, p := range link.Addrs {
			addrs = append(addrs, p.Addr())
		}
	}
	return addrs
}

// forwards reports whether the host passes packets on.
func (h HostSpec) forwards() bool { return h.Kind == Node || h.routes() }

// routes reports whether the host is a router.
func (h HostSpec) routes() bool { return h.Kind == FRR || h.Kind == BIRD || h.Kind == GoBGP }

// Routers lists the routers of the topology.
func (t Topology) Routers() []HostSpec { return slices.Concat(t.Of(FRR), t.Of(BIRD), t.Of(GoBGP)) }
