package controller

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// reviewRoutes finds what is wrong with Ingresses once they are put together:
// hosts and paths claimed twice, Services and Secrets that are not there. The
// ingress processes find the same and only log it, because they only read.
func (r *reign) reviewRoutes() {
	r.routes = route.Update(r.routes, route.Input{Snapshot: r.snap, NoEndpoints: true, Owners: r.opts.Owners, Guard: r.guard})
	if len(r.routes.Touched) > 0 {
		if r.routing = r.routes.Problems(); r.opts.ACME {
			r.routing = slices.DeleteFunc(r.routing, r.isOrdered)
		}
	}
}

// isOrdered tells whether p is about a Secret that is not there because it is
// being ordered: who orders it says how that goes.
func (r *reign) isOrdered(p config.Problem) bool {
	if p.Reason != route.ReasonNotFound || !strings.HasPrefix(p.Field, "spec.tls[") {
		return false
	}
	ing, ok := r.snap.Ingresses.Get(p.Object.Key)
	return ok && ing.ACME
}
