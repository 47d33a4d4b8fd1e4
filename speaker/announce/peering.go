package announce

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// peering is a BGP session that this node should hold.
type peering struct {
	peer     *config.Peer
	routerID netip.Addr
	hop6     netip.Addr // of IPv6 prefixes, if the session is IPv4; invalid: there is none
}

// peerings are those of this node, sorted by the name of the peer.
func (v *view) peerings() []peering {
	if v.self == nil {
		return nil
	}
	var out []peering
	for _, peer := range v.in.Snap.Peers {
		if peer.PicksNode(v.self) {
			out = append(out, peering{peer: peer, routerID: v.routerID(peer), hop6: v.hop6(peer)})
		}
	}
	slices.SortFunc(out, func(a, b peering) int { return strings.Compare(a.peer.Name, b.peer.Name) })
	return out
}

// nextHop is the next hop for addr on the session. Invalid stands for the
// session's own local address, which is right except for IPv6 over an IPv4
// session: there an IPv4-mapped next hop would be sent, which routers refuse
// (RFC 4760). ok is false if this node has no address for that.
func (p *peering) nextHop(addr netip.Addr) (hop netip.Addr, ok bool) {
	if addr.Unmap().Is4() || !p.peer.Addr.Unmap().Is4() {
		return netip.Addr{}, true
	}
	return p.hop6, p.hop6.IsValid()
}

// hop6 is the address of this node that IPv6 goes to from an IPv4 peer.
func (v *view) hop6(peer *config.Peer) netip.Addr {
	if hop := v.besidePeer(peer); hop.IsValid() {
		return hop
	}
	if peer.VRF != "" {
		return v.global6In(peer.VRF)
	}
	return v.global6()
}

// besidePeer is this node's IPv6 address on the link it shares with a peer: a
// router that is next to us need not know a way to any other of our addresses.
func (v *view) besidePeer(peer *config.Peer) netip.Addr {
	for _, l := range v.in.Host.Links {
		if !l.Up || v.in.Host.VRF(l) != peer.VRF || !slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Contains(peer.Addr) }) {
			continue
		}
		for _, p := range l.Prefixes {
			if a := p.Addr(); a.Is6() && a.IsGlobalUnicast() && p.Bits() < 128 {
				return a
			}
		}
	}
	return netip.Addr{}
}

// global6In is this node's first IPv6 address in a VRF. Those outside it mean
// nothing to the routers there.
func (v *view) global6In(vrf string) netip.Addr {
	for _, l := range v.in.Host.Links {
		if !l.Up || v.in.Host.VRF(l) != vrf {
			continue
		}
		for _, p := range l.Prefixes {
			if a := p.Addr(); a.Is6() && a.IsGlobalUnicast() {
				return a
			}
		}
	}
	return netip.Addr{}
}

// global6 is this node's IPv6 address: that of the Node object, else the first
// on an interface that is up, not excluded and in no VRF.
func (v *view) global6() netip.Addr {
	for _, a := range v.self.Addrs {
		if a.Is6() && !a.Is4In6() && a.IsGlobalUnicast() {
			return a
		}
	}
	for _, l := range v.in.Host.Links {
		if !l.Up || l.Loopback || v.in.ExcludedLinks.Match(l.Name) || v.in.Host.VRF(l) != "" {
			continue
		}
		for _, p := range l.Prefixes {
			if a := p.Addr(); a.Is6() && a.IsGlobalUnicast() {
				return a
			}
		}
	}
	return netip.Addr{}
}

// routerID is the BGP identifier (RFC 6286: any non-zero 32 bits, unique in
// the AS): the peer's, else the node's first IPv4 address, else one derived
// from the node's name.
func (v *view) routerID(peer *config.Peer) netip.Addr {
	if peer.RouterID.Unmap().Is4() {
		return peer.RouterID.Unmap()
	}
	for _, a := range v.self.Addrs {
		if a.Unmap().Is4() {
			return a.Unmap()
		}
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(mix(hashBytes([]byte(v.in.Self)))))
	b[0] = 1 + b[0]%126 // looks like a unicast address, never 0 or loopback
	return netip.AddrFrom4(b)
}
