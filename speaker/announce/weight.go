package announce

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

// prepend is how much longer than need be the AS path towards peer is to be.
// Inside our own AS it is empty (RFC 4271 §5.1.2).
func prepend(ad *config.BGPAdvertisement, peer *config.Peer) uint8 {
	if peer.Internal() {
		return 0
	}
	return ad.Prepend
}

// share is what w adds to the weight of a route of ads: its endpoints on this
// node, where one of ads asks for them. A Service whose traffic goes on to other
// nodes has none: every node serves it alike.
func (v *view) share(w *want, ads adSet) uint32 {
	if !w.svc.Local {
		return 0
	}
	for _, i := range ads {
		if v.in.Snap.BGP[i].Weighted {
			return v.endpointsHere(w.svc, w.addr)
		}
	}
	return 0
}

// endpointsHere is how many endpoints of svc this node has for addr's family:
// those of the port with the most, so that a pod with several ports counts once.
func (v *view) endpointsHere(svc *config.Service, addr netip.Addr) uint32 {
	eps, ok := v.in.Snap.Endpoints.Get(svc.Key)
	if !ok {
		return 0
	}
	most := 0
	for i := range eps.Ports {
		ready, serving := 0, 0
		for j := range eps.Ports[i].Backends {
			switch b := &eps.Ports[i].Backends[j]; {
			case b.Node != v.in.Self, b.Addr.Addr().Is4() != addr.Is4():
			case b.Ready:
				ready++
			case b.Serving:
				serving++
			}
		}
		if ready == 0 { // as in reachOf
			ready = serving
		}
		most = max(most, ready)
	}
	return uint32(most)
}
