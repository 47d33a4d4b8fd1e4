package announce

import (
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// reach is where a Service's live endpoints are.
type reach struct {
	any    bool
	nodes  map[string]struct{} // names of nodes with one; nil unless asked for
	fading bool                // this node has none of them, but some that still serve
}

func (r reach) on(node string) bool {
	_, ok := r.nodes[node]
	return ok
}

// reachOf finds the endpoints of a Service that traffic could go to: ready
// ones, or, if the Service has none, those that still serve while they
// terminate (KEP-1669). Endpoints on dead nodes do not count, long before
// Kubernetes notices.
func (v *view) reachOf(svc *config.Service) reach {
	eps, ok := v.in.Snap.Endpoints.Get(svc.Key)
	if !ok {
		return reach{}
	}
	ready := v.collect(eps, svc.Local, func(b *config.Backend) bool { return b.Ready })
	if ready.any {
		ready.fading = svc.Local && !ready.on(v.in.Self) && v.fadeHere(eps)
		return ready
	}
	return v.collect(eps, svc.Local, func(b *config.Backend) bool { return b.Serving })
}

// fadeHere tells whether this node has endpoints that terminate and serve. The
// forwarder goes on sending to them what comes for a Service with policy Local.
func (v *view) fadeHere(eps *config.Endpoints) bool {
	return slices.ContainsFunc(eps.Ports, func(p config.EndpointPort) bool {
		return slices.ContainsFunc(p.Backends, func(b config.Backend) bool {
			return b.Node == v.in.Self && b.Terminating && b.Serving && !b.Ready
		})
	})
}

func (v *view) collect(eps *config.Endpoints, byNode bool, counts func(*config.Backend) bool) reach {
	var r reach
	for i := range eps.Ports {
		backends := eps.Ports[i].Backends
		for j := range backends {
			b := &backends[j]
			if !counts(b) || v.dead[b.Node] {
				continue
			}
			r.any = true
			if !byNode {
				return r
			}
			if r.nodes == nil {
				r.nodes = map[string]struct{}{}
			}
			r.nodes[b.Node] = struct{}{}
		}
	}
	return r
}
