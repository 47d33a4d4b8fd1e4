package announce

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// decideBGP gives every peer of this node a session. A node that must be
// silent keeps its sessions and offers nothing on them.
func (v *view) decideBGP() {
	if v.self == nil {
		return
	}
	offers := v.offers()
	for _, peer := range v.in.Snap.Peers {
		if !peer.PicksNode(v.self) {
			continue
		}
		v.plan.Sessions = append(v.plan.Sessions, Session{
			Peer: peer, RouterID: v.routerID(peer), Routes: v.routes(peer, offers),
		})
	}
	slices.SortFunc(v.plan.Sessions, func(a, b Session) int { return strings.Compare(a.Peer.Name, b.Peer.Name) })
	v.silenceUnheard(offers)
}

// offer is an address this node may announce by BGP, with the advertisements
// that cover it on this node.
type offer struct {
	want *want
	ads  []*config.BGPAdvertisement
}

func (v *view) offers() []offer {
	var out []offer
	for i := range v.wants {
		w := &v.wants[i]
		if len(w.bgp) == 0 {
			continue
		}
		var ads []*config.BGPAdvertisement
		for _, ad := range w.bgp {
			if ad.PicksNode(v.self) {
				ads = append(ads, ad)
			}
		}
		if reason, message := v.unroutable(w, len(ads) > 0); reason != "" {
			v.silence(w.svc.Key, w.addr, BGP, reason, message)
			continue
		}
		out = append(out, offer{w, ads})
	}
	return out
}

// unroutable finds why this node offers no route for w, or "".
func (v *view) unroutable(w *want, picked bool) (reason, message string) {
	if v.mute != nil {
		return v.mute.Reason, v.mute.Message
	}
	if reason, message := v.unreachable(w); reason != "" {
		return reason, message
	}
	if !picked {
		return ReasonNoAdvertisement, "no BGPAdvertisement selects node " + v.in.Self
	}
	if !v.in.Forward.Takes(w.addr) {
		return ReasonForwarderNotReady, "the forwarder of this node is not ready for the address"
	}
	return "", ""
}

// routes are the prefixes for peer. One prefix stays as long as one address
// below it is up; advertisements that make the same prefix are merged.
func (v *view) routes(peer *config.Peer, offers []offer) []Route {
	byPrefix := map[netip.Prefix]Route{}
	for _, o := range offers {
		hop, ok := v.nextHop(o.want.addr, peer)
		if !ok {
			continue // reported by silenceUnheard
		}
		for _, ad := range o.ads {
			if !hears(ad, peer) || !peer.Carries(o.want.addr) {
				continue
			}
			prefix, err := o.want.addr.Prefix(length(ad, o.want.addr))
			if err != nil {
				continue // a length beyond the family's; validation refuses it before
			}
			byPrefix[prefix] = merge(byPrefix[prefix], Route{
				Prefix: prefix, NextHop: hop, LocalPref: ad.LocalPref,
				Communities: ad.Communities, Large: ad.Large,
				MED: ad.MED, Prepend: prepend(ad, peer),
			})
		}
	}
	v.weigh(byPrefix, peer, offers)
	out := make([]Route, 0, len(byPrefix))
	for _, r := range byPrefix {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Route) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	return out
}

func hears(ad *config.BGPAdvertisement, peer *config.Peer) bool {
	return len(ad.Peers) == 0 || slices.Contains(ad.Peers, peer.Name)
}

// length is the aggregation length for addr; 0 in the advertisement reads as
// the whole address.
func length(ad *config.BGPAdvertisement, addr netip.Addr) int {
	n := ad.Length4
	if addr.Is6() {
		n = ad.Length6
	}
	if n == 0 {
		return addr.BitLen()
	}
	return int(n)
}

// merge unites two reasons to offer one prefix: all communities, and of those
// that say something the one that attracts most: the higher local preference,
// the lower MED, the shorter AS path. The zero Route is no reason.
func merge(a, b Route) Route {
	if a.Prefix.IsValid() {
		b.Prepend = min(a.Prepend, b.Prepend)
	}
	if b.MED == 0 || a.MED != 0 && a.MED < b.MED {
		b.MED = a.MED
	}
	b.LocalPref = max(a.LocalPref, b.LocalPref)
	b.Communities = slices.Concat(a.Communities, b.Communities)
	slices.Sort(b.Communities)
	b.Communities = slices.Compact(b.Communities)
	b.Large = slices.Concat(a.Large, b.Large)
	slices.SortFunc(b.Large, func(x, y config.LargeCommunity) int {
		return cmp.Or(cmp.Compare(x.Global, y.Global), cmp.Compare(x.Local1, y.Local1), cmp.Compare(x.Local2, y.Local2))
	})
	b.Large = slices.Compact(b.Large)
	return b
}

// silenceUnheard reports addresses that no peer of this node hears of.
func (v *view) silenceUnheard(offers []offer) {
	for _, o := range offers {
		heard, hop := false, false
		for _, s := range v.plan.Sessions {
			if s.Peer.Carries(o.want.addr) && slices.ContainsFunc(o.ads, func(ad *config.BGPAdvertisement) bool { return hears(ad, s.Peer) }) {
				heard = true
				_, ok := v.nextHop(o.want.addr, s.Peer)
				hop = hop || ok
			}
		}
		switch {
		case !heard:
			v.silence(o.want.svc.Key, o.want.addr, BGP, ReasonNoPeer, "no BGPPeer of node "+v.in.Self+" is to hear of the address")
		case !hop:
			v.silence(o.want.svc.Key, o.want.addr, BGP, ReasonNoNextHop,
				"the sessions are IPv4 and node "+v.in.Self+" has no global IPv6 address to be the next hop")
		}
	}
}

// nextHop is the next hop for addr on the session with peer. Invalid stands
// for the session's own local address, which is right except for IPv6 over an
// IPv4 session: there an IPv4-mapped next hop would be sent, which routers
// refuse (RFC 4760). ok is false if this node has no address for that.
func (v *view) nextHop(addr netip.Addr, peer *config.Peer) (hop netip.Addr, ok bool) {
	if addr.Unmap().Is4() || !peer.Addr.Unmap().Is4() {
		return netip.Addr{}, true
	}
	if hop = v.besidePeer(peer.Addr); !hop.IsValid() {
		hop = v.global6()
	}
	return hop, hop.IsValid()
}

// besidePeer is this node's IPv6 address on the link it shares with a peer: a
// router that is next to us need not know a way to any other of our addresses.
func (v *view) besidePeer(peer netip.Addr) netip.Addr {
	for _, l := range v.in.Host.Links {
		if !l.Up || !slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Contains(peer) }) {
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

// global6 is this node's IPv6 address: that of the Node object, else the first
// on an interface that is up and not excluded.
func (v *view) global6() netip.Addr {
	for _, a := range v.self.Addrs {
		if a.Is6() && !a.Is4In6() && a.IsGlobalUnicast() {
			return a
		}
	}
	for _, l := range v.in.Host.Links {
		if !l.Up || l.Loopback || v.in.ExcludedLinks.Match(l.Name) {
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
