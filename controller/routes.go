package controller

import (
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// reviewRoutes finds what is wrong with Ingresses once they are put together:
// hosts and paths claimed twice, Services and Secrets that are not there. The
// ingress processes find the same and only log it, because they only read.
func (r *reign) reviewRoutes(full bool) {
	changed := r.snap.Changed
	if !full && len(changed.Ingresses) == 0 && (len(changed.Services) == 0 || r.snap.Ingresses.Len() == 0) {
		return
	}
	_, r.routing = route.Build(route.Input{Snapshot: r.snap, NoEndpoints: true})
}
