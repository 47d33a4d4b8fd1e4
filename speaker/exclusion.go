package speaker

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

// exclusion is what was seen of the label that keeps a node out of external load
// balancing.
type exclusion struct {
	seen   bool      // this process has looked before
	is     bool      // the node has the label
	since  time.Time // it has been put on; zero: it is not there, or was before this process
	drains bool      // the last decision was that of a node whose routes drain
}

// note takes in whether the node has the label.
func (e *exclusion) note(is bool, now time.Time) {
	switch {
	case !is:
		e.since = time.Time{}
	case e.seen && !e.is:
		e.since = now
	}
	e.seen, e.is = true, is
}

// draining tells whether the routes of the node, which offered them until it was
// labelled, are to be the last choice yet.
func (e *exclusion) draining(now time.Time) bool {
	return !e.since.IsZero() && now.Sub(e.since) < bgp.DefaultDrainTime
}

// over tells whether they are not to be any more, though the last decision has them.
func (e *exclusion) over(now time.Time) bool { return e.drains && !e.draining(now) }
