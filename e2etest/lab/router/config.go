package router

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Config says what a router is and whom it talks to.
type Config struct {
	ID    netip.Addr // router ID, an IPv4 address of its own
	Local []netip.Addr
	ASN   uint32
	Peers []Peer
	// Networks are what FRR and BIRD send to the nodes: the networks behind them.
	Networks []netip.Prefix
	// BFD is the interval, of which three are missed, of the BFD that guards sessions
	// of nodes that speak it (RFC 5882); 0 for none.
	BFD time.Duration
}

// Peer is one node that may connect.
type Peer struct {
	Name  string
	ASN   uint32
	Addrs []netip.Addr // one session per address
}

// FRRConfig is the text of frr.conf for zebra, bgpd and bfdd together.
func FRRConfig(c Config) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("hostname frr")
	line("log stdout informational")
	line("router bgp %d", c.ASN)
	line(" bgp router-id %v", c.ID)
	line(" no bgp ebgp-requires-policy") // accept routes without an import policy (RFC 8212 off)
	line(" no bgp default ipv4-unicast")
	line(" bgp bestpath as-path multipath-relax")
	line(" bgp graceful-restart") // keep forwarding over a peer's restart (RFC 4724)
	var all []string
	for _, p := range c.Peers {
		for _, addr := range p.Addrs {
			all = append(all, addr.String())
			line(" neighbor %v remote-as %d", addr, p.ASN)
			line(" neighbor %v description %s", addr, p.Name)
			line(" neighbor %v passive", addr)
			if c.BFD > 0 {
				line(" neighbor %v bfd", addr)
				line(" neighbor %v bfd profile node", addr)
			}
		}
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		line(" address-family %s unicast", family)
		for _, addr := range all {
			line("  neighbor %s activate", addr)
		}
		for _, n := range c.Networks {
			if n.Addr().Is4() == (family == "ipv4") {
				line("  network %v", n)
			}
		}
		line("  maximum-paths 16")
		line(" exit-address-family")
	}
	if c.BFD > 0 { // last: what bgpd does not know must not be in its way
		line("bfd")
		line(" profile node")
		line("  transmit-interval %d", c.BFD.Milliseconds())
		line("  receive-interval %d", c.BFD.Milliseconds())
	}
	return b.String()
}

// BIRDConfig is the text of bird.conf.
func BIRDConfig(c Config) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("log stderr all;")
	line("router id %v;", c.ID)
	line("protocol device { scan time 5; }")
	for _, n := range c.Networks {
		line("protocol static { ipv%s; route %v unreachable; }", map[bool]string{true: "4", false: "6"}[n.Addr().Is4()], n) // to be sent only
	}
	line("protocol kernel k4 { ipv4 { export where source = RTS_BGP; import none; }; merge paths on limit 16; }")
	line("protocol kernel k6 { ipv6 { export where source = RTS_BGP; import none; }; merge paths on limit 16; }")
	if c.BFD > 0 {
		line("protocol bfd { interface \"*\" { min rx interval %[1]d ms; min tx interval %[1]d ms; multiplier 3; }; }", c.BFD.Milliseconds())
	}
	line("template bgp node {")
	line("  local as %d; passive; hold time 90; graceful restart on;", c.ASN)
	line("  error wait time 1, 3;")                                                              // after BFD found a node lost; 60 s by default
	const last = "filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; }"     // RFC 8326; FRR does so unasked
	line("  ipv4 { import %s; export where source = RTS_STATIC; extended next hop on; };", last) // RFC 8950
	line("  ipv6 { import %s; export where source = RTS_STATIC; };", last)
	line("}")
	for _, p := range c.Peers {
		for i, addr := range p.Addrs {
			bfd := ""
			if c.BFD > 0 {
				bfd = " bfd on;"
			}
			line("protocol bgp %s_%d from node { neighbor %v as %d;%s }", birdName(p.Name), i, addr, p.ASN, bfd)
		}
	}
	byInterface(line, c)
	return b.String()
}

// byInterface takes nodes that know the router by their interface alone: it
// advertises itself, as no default router and with no prefix to make addresses
// of, and answers every link-local address.
func byInterface(line func(format string, args ...any), c Config) {
	if len(c.Peers) == 0 {
		return
	}
	line("protocol radv { interface \"eth0\" { max ra interval 10; default lifetime 0; prefix ::/0 { skip; }; }; }")
	line("protocol bgp by_interface from node { neighbor range fe80::/10 as %d; interface \"eth0\"; dynamic name \"linklocal\"; }", c.Peers[0].ASN)
}

// birdName makes a symbol of BIRD's grammar of a node's name.
func birdName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, name)
}
