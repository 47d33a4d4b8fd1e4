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

// absentPatience is the same for routers that were away before the process began:
// those that are back by now are there in that time.
const absentPatience = 5 * time.Second

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

// patience is how long peers are waited for. For one whose routes are used as long
// as for one that was there: the kernel has what an earlier life learnt of it.
func patience(peers []string, sessions []announce.Session, states []bgp.SessionState) time.Duration {
	for _, peer := range peers {
		absent := slices.ContainsFunc(states, func(st bgp.SessionState) bool { return st.Peer == peer && st.Absent })
		used := slices.ContainsFunc(sessions, func(s announce.Session) bool { return s.Peer.Name == peer && len(s.Peer.ToReceive) > 0 })
		if !absent || used {
			return arrivalPatience
		}
	}
	return absentPatience
}

// await takes in at now for whom the process waits and how long at most, and tells
// whether it is over with that.
func (r *arrival) await(peers []string, patience time.Duration, now time.Time) bool {
	if r.since.IsZero() {
		r.since = now
	}
	r.over = r.over || len(peers) == 0 || now.Sub(r.since) >= patience
	return r.over
}

// arrive tells the readiness endpoint of the first sessions, once there are any to
// wait for.
func (a *Agent) arrive(now time.Time) {
	if a.arrival.over || a.arrival.since.IsZero() && !a.routersTold() {
		return
	}
	states := a.Routers.States()
	peers := awaited(a.plan.Sessions, states)
	limit := patience(peers, a.plan.Sessions, states)
	if !a.arrival.await(peers, limit, now) {
		a.Health.NotReady("sessions", "waiting for BGPPeers "+strings.Join(peers, ", "))
		return
	}
	if len(peers) > 0 {
		level.Warn(a.log).Log("msg", "ready without sessions to some routers", "peer", strings.Join(peers, ","), "after", limit)
	}
	a.Health.Ready("sessions")
}

// routersTold tells whether the sessions have been handed their routes. Not
// before the forwarder has taken a table: the first routes are to be complete, or
// routers drop what they kept of this node's former life.
func (a *Agent) routersTold() bool {
	return a.complete() && !a.namesake && (a.Forwarder == nil || a.table.written)
}
