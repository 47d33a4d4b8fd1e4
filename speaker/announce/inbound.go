package announce

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
)

// Learnt is a route that a router sends.
type Learnt struct {
	Prefix netip.Prefix
	// NextHop is where it leads, with the interface as zone if it is link-local;
	// invalid if this node cannot use it.
	NextHop   netip.Addr
	LocalPref uint32 // of iBGP; 0: none
	Length    int    // of the AS path
	MED       uint32
}

// Way is a route that the kernel of this node is to have because routers send it.
type Way struct {
	Prefix netip.Prefix
	Via    []netip.Addr // sorted; over several the kernel spreads
	Peers  []string     // BGPPeers whose routers send it, by next hop
}

// Equal tells whether two ways are the same to the kernel.
func (w Way) Equal(o Way) bool { return w.Prefix == o.Prefix && slices.Equal(w.Via, o.Via) }

// mostVia is over how many next hops one way spreads at most.
const mostVia = 16

// Inbound are the ways, sorted by prefix, that follow from what the routers of
// sessions send, by BGPPeer: from the routes that the peer's toReceive names. Of
// several to one prefix the best are used side by side: those of the highest
// LOCAL_PREF, of these the ones with the shortest AS path, then with the lowest
// MED. Not used is what leads away from a subnet that is on a link of this node,
// and what this node itself offers.
func Inbound(sessions []Session, learnt map[string][]Learnt, state host.State) (ways []Way) {
	usable := taken(sessions, learnt)
	if len(usable) == 0 {
		return nil
	}
	mine := offered(sessions)
	usable = slices.DeleteFunc(usable, func(o offer) bool { return mine[o.Prefix] || onLink(o.Prefix, state) })
	slices.SortFunc(usable, func(a, b offer) int {
		return cmp.Or(a.Prefix.Compare(b.Prefix), preferred(a.Learnt, b.Learnt), a.NextHop.Compare(b.NextHop), cmp.Compare(a.peer, b.peer))
	})
	for len(usable) > 0 {
		best := usable[0]
		way := Way{Prefix: best.Prefix}
		n := 0
		for ; n < len(usable) && usable[n].Prefix == best.Prefix; n++ {
			if preferred(best.Learnt, usable[n].Learnt) == 0 && !slices.Contains(way.Via, usable[n].NextHop) && len(way.Via) < mostVia {
				way.Via, way.Peers = append(way.Via, usable[n].NextHop), append(way.Peers, usable[n].peer)
			}
		}
		ways, usable = append(ways, way), usable[n:]
	}
	return ways
}

// offer is a route and the BGPPeer whose router sends it.
type offer struct {
	Learnt
	peer string
}

// taken are the routes that may be used as far as their peers' settings say.
func taken(sessions []Session, learnt map[string][]Learnt) (usable []offer) {
	for _, s := range sessions {
		for _, l := range asked(s.Peer, learnt) {
			if l.NextHop.IsValid() {
				usable = append(usable, offer{l, s.Peer.Name})
			}
		}
	}
	return usable
}

// asked are the routes of peer's router that its toReceive names.
func asked(peer *config.Peer, learnt map[string][]Learnt) (out []Learnt) {
	if len(peer.ToReceive) == 0 {
		return nil
	}
	for _, l := range learnt[peer.Name] {
		if peer.Takes(l.Prefix) && !l.Prefix.Addr().IsMulticast() {
			out = append(out, l)
		}
	}
	return out
}

// DeadEnds tells of each peer whose router sends routes that are asked for, and
// whose next hops this node cannot use.
func DeadEnds(sessions []Session, learnt map[string][]Learnt) (out []config.Problem) {
	for _, s := range sessions {
		dead := slices.DeleteFunc(asked(s.Peer, learnt), func(l Learnt) bool { return l.NextHop.IsValid() })
		if len(dead) == 0 {
			continue
		}
		out = append(out, config.Problem{
			Object: config.Ref{Kind: config.KindBGPPeer, Key: config.Key{Name: s.Peer.Name}}, Field: "spec.toReceive", Reason: "Unusable",
			Message: fmt.Sprintf("%d of the routes that the router sends lead nowhere from here, such as %v: their next hop is no address of its own", len(dead), dead[0].Prefix),
			Remedy:  "give the router an address of that family on the link, or set a next hop there",
		})
	}
	return out
}

// preferred is negative if a is better than b, and 0 if none is.
func preferred(a, b Learnt) int {
	return cmp.Or(cmp.Compare(b.LocalPref, a.LocalPref), cmp.Compare(a.Length, b.Length), cmp.Compare(a.MED, b.MED))
}

// offered are the prefixes to which this node offers routes.
func offered(sessions []Session) map[netip.Prefix]bool {
	out := map[netip.Prefix]bool{}
	for _, s := range sessions {
		for _, r := range s.Routes {
			out[r.Prefix] = true
		}
	}
	return out
}

// onLink tells whether prefix is a subnet on a link of this node, or a part of one.
func onLink(prefix netip.Prefix, state host.State) bool {
	for _, l := range state.Links {
		for _, own := range l.Prefixes {
			if own.Bits() <= prefix.Bits() && own.Contains(prefix.Addr()) {
				return true
			}
		}
	}
	return false
}
