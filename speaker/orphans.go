package speaker

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// findOrphans brings the records to delete up to date. It looks at every
// claim and Service, so it is done only if one of them or a member changed, and
// once a second at most: there is no hurry.
func (a *Agent) findOrphans() {
	if a.stray {
		a.stray, a.orphans = false, orphans(a.snap, a.Node, a.members)
	}
}

// orphans are the records that this node should delete: of addresses that no
// Service has, owned by this node, or by nobody alive if this node is the
// first of the living. A node that does not know the others yet deletes none.
func orphans(snap *config.Snapshot, self string, members []announce.Member) map[netip.Addr]*config.L2Claim {
	alive, first := map[string]bool{}, ""
	for _, m := range members {
		if m.Node == self && m.Joining {
			return nil
		}
		if m.Alive {
			alive[m.Node] = true
			if first == "" || m.Node < first {
				first = m.Node
			}
		}
	}
	var served map[netip.Addr]bool
	out := map[netip.Addr]*config.L2Claim{}
	for addr, claim := range snap.Claims.All() {
		mine := claim.Owner == self || (!alive[claim.Owner] && first == self)
		if !mine {
			continue
		}
		if served == nil {
			served = servedAddrs(snap)
		}
		if !served[addr] {
			out[addr] = claim
		}
	}
	return out
}

func servedAddrs(snap *config.Snapshot) map[netip.Addr]bool {
	served := make(map[netip.Addr]bool, snap.Services.Len())
	for _, svc := range snap.Services.All() {
		for _, addr := range svc.Addrs {
			served[addr] = true
		}
	}
	return served
}
