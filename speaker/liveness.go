package speaker

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// contradictLimit is how long a death that only heartbeats know of is believed.
// A node that gossip still reaches by then lives, and something keeps its
// heartbeats away.
const contradictLimit = 3 * time.Second

// liveness joins what membership and heartbeats say of each node. A beat is
// proof of life; a silence is a death as long as membership has not had the
// time to judge, unless the node said that it restarts.
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
		if beats.States[m.Node] != pulse.Down {
			delete(l.since, m.Node)
			delete(l.void, m.Node)
		}
		switch {
		case beats.States[m.Node] == pulse.Up:
			m.Alive = true
		case beats.States[m.Node] == pulse.Unknown:
		case m.Restarting || !m.Alive:
			// Membership knows: once it says that the node is back, an old
			// silence is no objection.
			delete(l.since, m.Node)
			l.void[m.Node] = true
		case !l.void[m.Node]:
			if _, ok := l.since[m.Node]; !ok {
				l.since[m.Node] = now
			}
			if m.Alive = now.Sub(l.since[m.Node]) >= contradictLimit; m.Alive {
				delete(l.since, m.Node)
				l.void[m.Node] = true
				doubted = append(doubted, m.Node)
			}
		}
		out = append(out, m)
	}
	return out, doubted
}

// open tells whether time alone may change the judgement.
func (l *liveness) open() bool { return len(l.since) > 0 }
