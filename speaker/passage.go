package speaker

import (
	"fmt"
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// A way is the link by which a packet leaves for an address, as of [host.Way].
type way func(to netip.Addr, in string, from netip.Addr) (link string, err error)

// findPassages looks whether what arrives in the VRFs of peers finds its way to this
// node's pods.
func (a *Agent) findPassages() {
	a.blocked = nil
	if a.Way != nil && a.complete() && !a.namesake {
		a.blocked = blocked(a.sessions(), a.table.table, a.Way)
	}
}

// blocked tells of each peer in a VRF whose router is offered routes, and from where
// packets do not reach an endpoint on this node as those of the node itself do. One
// endpoint stands for all: a node without the routes lacks them for each.
func blocked(sessions []announce.Session, table l4proxy.Table, way way) (out []config.Problem) {
	for _, s := range sessions {
		router := s.Router()
		if s.Peer.VRF == "" || !router.IsValid() || len(s.Routes) == 0 {
			continue
		}
		pod, ok := podHere(table, config.FamilyOf(router))
		if !ok {
			continue
		}
		own, err := way(pod, "", netip.Addr{})
		if err != nil {
			continue // not even the node reaches it: that is no matter of the VRF
		}
		by, err := way(pod, s.Peer.VRF, router)
		if err == nil && by == own {
			continue
		}
		why := fmt.Sprintf("they leave by %s, and the node's own by %s", by, own)
		if err != nil {
			why = err.Error()
		}
		out = append(out, config.Problem{
			Object: config.Ref{Kind: config.KindBGPPeer, Key: config.Key{Name: s.Peer.Name}}, Field: "spec.vrf", Reason: "Unreachable",
			Message: fmt.Sprintf("packets that arrive in VRF %s do not reach pods of this node, such as %v: %s", s.Peer.VRF, pod, why),
			Remedy:  "add routes to the pods to the table of the VRF, and the way back to the main table, or choose other nodes by nodeSelectors",
		})
	}
	return out
}

// podHere is an endpoint on this node, of a family, that the table leads to.
func podHere(table l4proxy.Table, family config.Family) (netip.Addr, bool) {
	for g := range table.Groups() {
		if g.Key.Family != family {
			continue
		}
		for _, b := range g.Backends {
			if b.Local {
				return b.Addr.Addr(), true
			}
		}
	}
	return netip.Addr{}, false
}
