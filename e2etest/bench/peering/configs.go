package peering

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// AS numbers of the router, and of the node and its twin.
const (
	routerASN = 64500
	nodeASN   = 64512
)

// text builds a configuration line by line.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// frrHead begins every configuration of FRR. There is always BGP: the lab takes
// a router for started when it listens there.
func (t *text) frrHead(asn uint32, id netip.Addr) {
	t.line("log stdout informational")
	t.line("log timestamp precision 6")
	t.line("router bgp %d", asn)
	t.line(" bgp router-id %v", id)
	t.line(" bgp log-neighbor-changes")
	t.line(" no bgp ebgp-requires-policy")
	t.line(" no bgp network import-check")
	t.line(" no bgp default ipv4-unicast")
}

// frrProfile is BFD × 3 at an interval, for those that name it.
func (t *text) frrProfile(interval time.Duration) {
	t.line("bfd")
	t.line(" profile fast")
	t.line("  transmit-interval %d", interval.Milliseconds())
	t.line("  receive-interval %d", interval.Milliseconds())
	t.line("  detect-multiplier 3")
}

// bfdPair is a BFD session of FRR that no BGP asks for.
type bfdPair struct{ local, peer netip.Addr }

// pairs are sessions between the first of both, the second of both, and so on.
func pairs(locals, peers []netip.Addr) (out []bfdPair) {
	for i, local := range locals {
		out = append(out, bfdPair{local, peers[i]})
	}
	return out
}

// frrBFD is FRR with BFD alone.
func frrBFD(asn uint32, interval time.Duration, sessions []bfdPair) string {
	var t text
	t.frrHead(asn, addrsOf(theNode)[0])
	t.frrBFD(interval, sessions)
	return t.String()
}

func (t *text) frrBFD(interval time.Duration, sessions []bfdPair) {
	t.frrProfile(interval)
	for _, s := range sessions {
		t.line(" peer %v local-address %v", s.peer, s.local)
		t.line("  profile fast")
	}
}

// neighbor is another router as FRR knows it.
type neighbor struct {
	addr    netip.Addr
	asn     uint32
	passive bool // it connects, we do not
}

// frrBGP is FRR with sessions, guarded by BFD if interval is not 0; a session
// carries the routes of its own family, except with both, where it carries all.
// It offers networks itself.
func frrBGP(asn uint32, id netip.Addr, interval time.Duration, both bool, neighbors []neighbor, networks []netip.Prefix) string {
	var t text
	t.frrHead(asn, id)
	for _, n := range neighbors {
		t.line(" neighbor %v remote-as %d", n.addr, n.asn)
		t.line(" neighbor %v timers 2 6", n.addr)
		t.line(" neighbor %v timers connect 1", n.addr)
		t.line(" neighbor %v advertisement-interval 0", n.addr)
		if n.passive {
			t.line(" neighbor %v passive", n.addr)
		}
		if interval > 0 {
			t.line(" neighbor %v bfd", n.addr)
			t.line(" neighbor %v bfd profile fast", n.addr)
		}
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		is4 := family == "ipv4"
		t.line(" address-family %s unicast", family)
		for _, n := range neighbors {
			if both || n.addr.Is4() == is4 {
				t.line("  neighbor %v activate", n.addr)
			}
		}
		for _, p := range networks {
			if p.Addr().Is4() == is4 {
				t.line("  network %v", p)
			}
		}
		t.line(" exit-address-family")
	}
	if interval > 0 {
		t.frrProfile(interval)
	}
	return t.String()
}

// birdHead begins every configuration of BIRD.
func (t *text) birdHead(id netip.Addr) {
	t.line("log stderr all;")
	t.line("router id %v;", id)
	t.line("protocol device { }")
}

// birdSpeaker is BIRD that offers routes to the router. It has a protocol with
// those of each family, s4 and s6.
func birdSpeaker(networks []netip.Prefix) string {
	var t text
	own, router := addrsOf(theTwin), routerAddrs(1)[0]
	t.birdHead(own[0])
	for _, family := range []string{"4", "6"} {
		t.line("protocol static s%s { ipv%s;", family, family)
		for _, p := range networks {
			if p.Addr().Is4() == (family == "4") {
				t.line("route %v blackhole;", p)
			}
		}
		t.line("}")
	}
	t.line("protocol bgp upstream { local %v as %d; neighbor %v as %d; connect delay time 1; connect retry time 1; graceful restart on;", own[0], nodeASN, router, routerASN)
	t.line("ipv4 { import none; export all; }; ipv6 { import none; export all; next hop address %v; }; }", own[1])
	return t.String()
}

// birdRouter is BIRD as one of the routers: it takes all that the node and its
// twin offer, and watches them by BFD.
func birdRouter(at netip.Addr, interval time.Duration) string {
	var t text
	t.birdHead(at)
	t.line("protocol bfd { interface \"*\" { min rx interval %[1]d ms; min tx interval %[1]d ms; multiplier 3; }; }", interval.Milliseconds())
	for _, host := range []string{theNode, theTwin} {
		t.line("protocol bgp %s { local %v as %d; neighbor %v as %d; passive; bfd on; error wait time 1, 3;", host, at, routerASN, addrsOf(host)[0], nodeASN)
		t.line("ipv4 { import all; export none; }; ipv6 { import all; export none; }; }")
	}
	return t.String()
}
