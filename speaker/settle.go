package speaker

import (
	"maps"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// homeAfter is how long a node has to be alive before addresses go home to it:
// while it starts everything at once it is at its slowest, and one that comes
// and goes is to be left alone (VRRP's preempt delay).
const homeAfter = 10 * time.Second

// aliveSince says since when nodes are alive.
type aliveSince map[string]time.Time

// note takes in who is alive.
func (a aliveSince) note(members []announce.Member, now time.Time) {
	alive := make(map[string]bool, len(members))
	for _, m := range members {
		if !m.Alive || m.Joining {
			continue
		}
		if alive[m.Node] = true; a[m.Node].IsZero() {
			a[m.Node] = now
		}
	}
	maps.DeleteFunc(a, func(node string, _ time.Time) bool { return !alive[node] })
}

// mark is members with those marked that are alive only since a moment ago.
func (a aliveSince) mark(members []announce.Member, now time.Time) []announce.Member {
	out := slices.Clone(members)
	for i := range out {
		since, ok := a[out[i].Node]
		out[i].Fresh = ok && now.Sub(since) < homeAfter
	}
	return out
}

// matters tells whether a decision may come out otherwise soon, or since a
// moment ago, because a node is no longer fresh.
func (a aliveSince) matters(snap *config.Snapshot, now time.Time) bool {
	if snap == nil || !slices.ContainsFunc(snap.L2, func(ad *config.L2Advertisement) bool { return ad.OnReturn }) {
		return false
	}
	for _, since := range a {
		if now.Sub(since) < homeAfter+2*retryAfter {
			return true
		}
	}
	return false
}
