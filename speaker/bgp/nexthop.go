package bgp

import (
	"net"
	"net/netip"
	"strconv"
)

// ownAddr6 finds the IPv6 address by which a router at peer can reach this
// node: a global address of the interface that leads to the router. It is
// invalid if there is none. Host addresses (/128) are taken only if there is
// nothing else, for they are often virtual; of several the lowest is taken,
// so that the choice is stable. An interface in another VRF may have the same
// addresses, and is not taken for it unless its IPv6 address is in both.
func ownAddr6(peer, source netip.Addr, vrf device) netip.Addr {
	if !source.IsValid() {
		source = sourceTo(peer, vrf)
	}
	links, err := net.Interfaces()
	if err != nil || !source.IsValid() {
		return netip.Addr{}
	}
	for _, link := range links {
		prefixes := prefixesOf(link)
		for _, p := range prefixes {
			if p.Addr() != source {
				continue
			}
			if own := pickGlobal6(prefixes); vrf.has(own) {
				return own
			}
		}
	}
	return netip.Addr{}
}

// pickGlobal6 chooses among the addresses of one interface.
func pickGlobal6(prefixes []netip.Prefix) (best netip.Addr) {
	bestHost := true
	for _, p := range prefixes {
		a := p.Addr()
		if !a.Is6() || a.Is4In6() || !a.IsGlobalUnicast() {
			continue
		}
		host := p.Bits() == 128
		if !best.IsValid() || bestHost && !host || bestHost == host && a.Less(best) {
			best, bestHost = a, host
		}
	}
	return best
}

// sourceTo asks the kernel which address of ours it would use towards peer.
// Connecting a UDP socket sends nothing.
func sourceTo(peer netip.Addr, vrf device) netip.Addr {
	dialer := net.Dialer{Control: vrf.bind}
	conn, err := dialer.Dial("udp", net.JoinHostPort(peer.String(), strconv.Itoa(179)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap()
}

func prefixesOf(link net.Interface) []netip.Prefix {
	addrs, err := link.Addrs()
	if err != nil {
		return nil
	}
	out := make([]netip.Prefix, 0, len(addrs))
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p)
		}
	}
	return out
}
