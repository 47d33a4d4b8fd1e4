package controller

import (
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// reviewRoutes finds what is wrong with Ingresses once they are put together:
// hosts and paths claimed twice, Services and Secrets that are not there. The
// ingress processes find the same and only log it, because they only read.
func (r *reign) reviewRoutes() {
	r.routes = route.Update(r.routes, route.Input{Snapshot: r.snap, NoEndpoints: true, Owners: r.opts.Owners, Guard: r.guard})
	if len(r.routes.Touched) > 0 {
		r.routing = r.routes.Problems()
	}
}
