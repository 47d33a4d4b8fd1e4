package speaker

import "time"

const (
	// settleTime is how long after a cut the others have surely taken over and
	// written it down: detection, decision and a write.
	settleTime = 500 * time.Millisecond
	// apiPatience is how long an API server that does not answer is waited for.
	apiPatience = 2 * time.Second
	// healPatience is the same for a node back from a cut: its connections to
	// the API server take that long to recover, and others have what it had.
	healPatience = 15 * time.Second
	// pairGrace is how long one of two nodes that lost the other goes on
	// answering without a word from the API.
	pairGrace = time.Second
	// listenAfter is how long after a death the others look whether the API
	// still answers: not while they write down what they took over.
	listenAfter = time.Second
	// comeback is how long after a return a node that has not heard the API asks
	// again at once: kernels take seconds to find each other.
	comeback = 5 * time.Second
	// electorAfter is how long a dead node keeps its vote.
	electorAfter = time.Minute
)

// rights are what this node may do about addresses on the LAN.
type rights struct {
	answer bool // for what the records give it
	swap   bool // take over by writing the record first
	seize  bool // take over from the dead at once, and write beside it
}

// footing is on what a node stands when it answers: a majority of the speakers
// alive on its side, or else the records, read after it lost the others.
type footing struct {
	voters, alive int
	since         time.Time     // of a doubt: others may have taken over unheard; zero: there is none
	own           bool          // it was this node that was away, or not heard
	sure          time.Time     // a reading of the records begun now or later ends it
	back          time.Time     // since when a majority is alive here
	patience      time.Duration // from then on, with an API that does not answer
	read          time.Time     // when the last reading that came back was begun
}

func (f footing) majority() bool { return 2*f.alive > f.voters }

// known tells whether the records were read after what the doubt is about.
func (f footing) known() bool { return !f.read.IsZero() && !f.read.Before(f.sure) }

// settled tells whether a doubt is over: there is a majority here, and the
// records were read, or waited for in vain.
func (f footing) settled(now time.Time) bool {
	return f.majority() && (f.known() || now.Sub(f.back) >= f.patience)
}

// whole tells whether a majority has been here for so long that all who live
// have been heard: who comes back meets the others one by one.
func (f footing) whole(now time.Time) bool { return now.Sub(f.back) >= settleTime }

// rights says what the node may do at the time now. Alone in the cluster it may
// do everything. With a majority it may as well, once it knows what happened
// while it had none and who lives. Without one the records decide as long as the
// API shows them; of two nodes neither has one, so that the API decides which of
// them may take over.
func (f footing) rights(now time.Time) rights {
	all := rights{answer: true, swap: true, seize: true}
	switch {
	case f.voters <= 1, f.since.IsZero():
		return all
	case f.settled(now) && f.whole(now):
		return all
	case f.settled(now):
		return rights{answer: true}
	case f.majority():
		return rights{}
	case f.known() && now.Sub(f.read) < apiPatience:
		return rights{answer: true, swap: true}
	case f.voters == 2:
		return rights{answer: !f.own && now.Sub(f.since) < pairGrace, swap: true}
	}
	return rights{}
}

// wants tells whether the records should be read now.
func (f footing) wants(now time.Time) bool {
	if f.voters <= 1 || f.since.IsZero() || now.Before(f.sure) {
		return false
	}
	return !f.known() || now.Sub(f.read) >= apiPatience/4
}

// ground keeps the footing of this node as time goes.
type ground struct {
	footing
	absent   map[string]time.Time // dead voters, since when
	struck   map[string]bool      // those that have no vote any more
	returned time.Time            // when a dead voter was last seen alive again
	deaf     bool                 // the API did not answer, and not all records were read since
}

func newGround() *ground {
	return &ground{absent: map[string]time.Time{}, struck: map[string]bool{}}
}

// see takes in which of the voters are alive; alone if this node seems to be
// cut off from all of them.
func (g *ground) see(alive map[string]bool, alone bool, now time.Time) {
	g.voters, g.footing.alive = 0, 0
	for name, lives := range alive {
		if lives {
			if _, was := g.absent[name]; was {
				g.returned = now
			}
			delete(g.absent, name)
			delete(g.struck, name)
			g.footing.alive++
		} else if _, known := g.absent[name]; !known {
			g.absent[name] = now
		}
		if !g.struck[name] {
			g.voters++
		}
	}
	if alone {
		g.footing.alive = min(g.footing.alive, 1)
	}
	g.strike(alive, now)
	g.doubt(now)
}

// strike takes the vote from those long dead, so that the majority is one of
// the last stable members. A side without a majority must not: it would make
// itself one.
func (g *ground) strike(alive map[string]bool, now time.Time) {
	for name, since := range g.absent {
		if _, voter := alive[name]; !voter {
			delete(g.absent, name)
			delete(g.struck, name)
			continue
		}
		if !g.struck[name] && g.majority() && g.since.IsZero() && now.Sub(since) >= electorAfter {
			g.struck[name] = true
		}
	}
}

// doubt begins and ends doubts.
func (g *ground) doubt(now time.Time) {
	switch majority := g.majority(); {
	case !majority && (g.since.IsZero() || !g.back.IsZero()):
		g.since, g.back, g.sure = now, time.Time{}, now
		if g.voters > 2 {
			g.sure = now.Add(settleTime)
		}
	case majority && !g.since.IsZero() && g.back.IsZero():
		if g.back, g.patience = now, healPatience; !g.rightsBefore(now).answer {
			g.sure = now // what others did, they did before
		}
	}
	if !g.since.IsZero() && g.settled(now) && g.whole(now) {
		g.since, g.back, g.own = time.Time{}, time.Time{}, false
	}
}

// listens tells whether the records should be read now by a node that is in no
// doubt. It has a majority, and answers whatever the API does; but when the LAN
// falls apart the API may stay with the others, who take over by the record. So
// while somebody is dead it looks now and then, ever more seldom, whether the
// API answers. If not, it reads all records as soon as it can: when somebody
// returns, at once. begun is when it read last.
func (g *ground) listens(now, begun time.Time) bool {
	if g.voters <= 1 || !g.since.IsZero() {
		return false
	}
	if g.deaf {
		return g.hurries(now) || now.Sub(begun) >= apiPatience
	}
	var last time.Time
	for name, since := range g.absent {
		if !g.struck[name] && since.After(last) {
			last = since
		}
	}
	dead := now.Sub(last)
	return !last.IsZero() && dead >= listenAfter && now.Sub(begun) >= max(listenAfter, dead/4)
}

// hurries tells whether others may have written what this node must know now:
// somebody is back whom the API may have heard when this node did not.
func (g *ground) hurries(now time.Time) bool {
	return g.deaf && now.Sub(g.returned) < comeback
}

// rightsBefore are those of the minority that this node was in.
func (g *ground) rightsBefore(now time.Time) rights {
	f := g.footing
	f.alive = 0
	return f.rights(now)
}

// away notes that this process did not run for a while, or was not heard:
// others may have taken over, and are perhaps about to.
func (g *ground) away(now time.Time) {
	g.since, g.own, g.sure = now, true, now.Add(settleTime)
	if g.majority() {
		g.back, g.patience = now, apiPatience
	}
}
