package speaker

import (
	"maps"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// contradictLimit is how long a death that only heartbeats know of is believed.
// A node that gossip still reaches by then lives, and something keeps its
// heartbeats away.
const contradictLimit = 3 * time.Second

// crashGrace is how long a node whose speaker crashed keeps its addresses at
// least, from when that was found: its kernel forwards, and most are back by then.
// Others take over afterwards, so that an address is without an answer to ARP for
// less than a second.
const crashGrace = 700 * time.Millisecond

// liveness joins what membership and heartbeats say of each node. A beat is
// proof of life; a silence is a death as long as membership has not had the
// time to judge, unless the node said that it restarts. A process that ended on
// a node that lives is given the time to come back.
type liveness struct {
	since map[string]time.Time // of the silences that membership contradicts
	void  map[string]bool      // silences that count no more, until the next beat
}

func newLiveness() *liveness {
	return &liveness{since: map[string]time.Time{}, void: map[string]bool{}}
}

// judge is members with the last word on who is alive. doubted are those whose
// silence is not believed from now on.
func (l *liveness) judge(members []announce.Member, beats pulse.View, now time.Time) (out []announce.Member, doubted []string) {
	for _, m := range members {
		state := beats.States[m.Node]
		m.Vacant = state == pulse.Vacant
		if state == pulse.Up || state == pulse.Unknown {
			delete(l.since, m.Node)
			delete(l.void, m.Node)
		}
		switch {
		case state == pulse.Up:
			m.Alive = true
		case state == pulse.Unknown:
		case state == pulse.Vacant && !m.Restarting:
			// A new process is known to membership before its first heartbeat.
			m.Alive = l.silence(m.Node, now) < crashGrace || m.Alive
		case m.Restarting || !m.Alive:
			// Membership knows: once it says that the node is back, an old
			// silence is no objection.
			delete(l.since, m.Node)
			l.void[m.Node] = true
		case !l.void[m.Node]:
			if m.Alive = l.silence(m.Node, now) >= contradictLimit; m.Alive {
				delete(l.since, m.Node)
				l.void[m.Node] = true
				doubted = append(doubted, m.Node)
			}
		}
		out = append(out, m)
	}
	l.forget(members)
	return out, doubted
}

// forget drops what is known of nodes that are no members any more.
func (l *liveness) forget(members []announce.Member) {
	gone := func(node string) bool {
		return !slices.ContainsFunc(members, func(m announce.Member) bool { return m.Node == node })
	}
	maps.DeleteFunc(l.since, func(node string, _ time.Time) bool { return gone(node) })
	maps.DeleteFunc(l.void, func(node string, _ bool) bool { return gone(node) })
}

// silence is for how long the node has been silent; it begins with the first
// call.
func (l *liveness) silence(node string, now time.Time) time.Duration {
	if _, ok := l.since[node]; !ok && !l.void[node] {
		l.since[node] = now
	}
	return now.Sub(l.since[node])
}

// open tells whether time alone may change the judgement: not that of a silence
// which outlasted all limits, as of a node that lacks no more than heartbeats.
func (l *liveness) open(now time.Time) bool {
	for _, since := range l.since {
		if now.Sub(since) < 2*contradictLimit { // a look after the limit included
			return true
		}
	}
	return false
}
