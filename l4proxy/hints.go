package l4proxy

import (
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// nearby tells which of the endpoints that are well are meant for clients that
// come in at this node: the hints of EndpointSlices say so, which
// trafficDistribution and topology-aware routing leave there. As with kube-proxy
// hints about nodes come before those about zones, and they count only if every
// such endpoint has some and one at least is for here; else all are meant. Those
// that are not well, on nodes believed dead or found down, have no say: a zone
// without others is served from elsewhere.
func nearby(usable []config.Backend, well func(config.Backend) bool, b *basis) func(config.Backend) bool {
	for _, kind := range []struct {
		here  string
		hints func(config.Backend) []string
	}{
		{b.node, func(e config.Backend) []string { return e.Hints.ForNodes() }},
		{b.zone, func(e config.Backend) []string { return e.Hints.ForZones() }},
	} {
		complete, found := kind.here != "", false
		for _, e := range usable {
			if well(e) {
				hints := kind.hints(e)
				complete = complete && len(hints) > 0
				found = found || slices.Contains(hints, kind.here)
			}
		}
		if complete && found {
			return func(e config.Backend) bool { return slices.Contains(kind.hints(e), kind.here) }
		}
	}
	return func(config.Backend) bool { return true }
}
