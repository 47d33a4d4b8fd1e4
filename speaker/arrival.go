package speaker

import (
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
)

// arrivalPatience is how long a new process waits for its first sessions before it
// counts as ready without them: a router that is dead holds up no rollout.
const arrivalPatience = 30 * time.Second

// arrival is how far a new process has come with its first sessions. A rollout
// goes on to the next node when it is over, so that no router is without all of
// them at once. What falls later is no reason to call the process unready.
type arrival struct {
	since time.Time // sessions are there to be waited for
	over  bool
}

// awaited are the peers of sessions whose routers have not been told all routes
// yet, or heard out if theirs are used, sorted.
func awaited(sessions []announce.Session, states []bgp.SessionState) (peers []string) {
	for _, s := range sessions {
		told := slices.ContainsFunc(states, func(st bgp.SessionState) bool {
			return st.Peer == s.Peer.Name && st.Complete && (st.Heard || len(s.Peer.ToReceive) == 0)
		})
		if !told {
			peers = append(peers, s.Peer.Name)
		}
	}
	slices.Sort(peers)
	return peers
}

// await takes in whom the process waits for at now, and tells whether it is over
// with that.
func (r *arrival) await(peers []string, now time.Time) bool {
	if r.since.IsZero() {
		r.since = now
	}
	r.over = r.over || len(peers) == 0 || now.Sub(r.since) >= arrivalPatience
	return r.over
}

// arrive tells the readiness endpoint of the first sessions, once there are any to
// wait for.
func (a *Agent) arrive(now time.Time) {
	if a.arrival.over || a.arrival.since.IsZero() && !a.routersTold() {
		return
	}
	peers := awaited(a.plan.Sessions, a.Routers.States())
	if !a.arrival.await(peers, now) {
		a.Health.NotReady("sessions", "waiting for BGPPeers "+strings.Join(peers, ", "))
		return
	}
	if len(peers) > 0 {
		level.Warn(a.log).Log("msg", "ready without sessions to some routers", "peer", strings.Join(peers, ","), "after", arrivalPatience)
	}
	a.Health.Ready("sessions")
}

// routersTold tells whether the sessions have been handed their routes. Not
// before the forwarder has taken a table: the first routes are to be complete, or
// routers drop what they kept of this node's former life.
func (a *Agent) routersTold() bool {
	return a.complete() && !a.namesake && (a.Forwarder == nil || a.table.written)
}
