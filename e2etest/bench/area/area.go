// Package area lists what is measured, area by area: the names and bars of the
// project's promises, and which rig measures them.
package area

import (
	"slices"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// All are the figures of all areas, in the order of the output.
func All() []bench.Figure {
	return slices.Concat(self, ipam, l2, bgp, bfd, l4, relay, http)
}
