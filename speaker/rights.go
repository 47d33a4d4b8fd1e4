package speaker

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// reviewEvery is how often a judgement is looked at that time alone changes.
const reviewEvery = 50 * time.Millisecond

// feel takes in what the heartbeats say.
func (a *Agent) feel(beats pulse.View) {
	cut := beats.Cuts != a.beats.Cuts
	a.beats = beats
	a.judge()
	if cut && a.othersAlive() {
		a.ground.away(time.Now()) // they could not hear this node, and may have taken over
	}
}

// meet makes members the current ones. If this node is not among them, the
// decision is to be silent.
func (a *Agent) meet(members []announce.Member) {
	a.met, a.seen.members, a.fresh.members = members, true, true
	a.judge()
}

// judge works out who is alive, from membership and heartbeats together.
func (a *Agent) judge() {
	members, doubted := a.liveness.judge(a.met, a.beats, time.Now())
	for _, node := range doubted {
		a.metrics.disbelieved.Inc()
		level.Warn(a.log).Log("msg", "heartbeats of this node do not arrive, but gossip does: is their port open?", "node", node)
	}
	if !reflect.DeepEqual(members, a.members) {
		a.members, a.fresh.members = members, true
		a.scene++
		a.since.note(members, time.Now())
		a.outages.note(members, time.Now())
	}
	a.introduce()
}

// introduce tells the heartbeats whom to watch: all members that live, and those
// of which a new speaker is waited for, so that its first word is heard.
func (a *Agent) introduce() {
	if a.snap == nil || a.namesake {
		return
	}
	var peers []pulse.Peer
	for i, m := range a.met {
		node, known := a.snap.Nodes.Get(m.Node)
		if m.Node == a.Node || !known || !m.Alive && !a.members[i].Alive && !a.members[i].Vacant {
			continue
		}
		if addr, ok := a.addrOf(node); ok {
			peers = append(peers, pulse.Peer{Node: m.Node, Addr: netip.AddrPortFrom(addr, a.PulsePort)})
		}
	}
	if !slices.Equal(peers, a.watched) {
		a.watched = peers
		a.Pulse.Apply(peers)
	}
}

// weigh works out what this node may do now, and reads the records if that
// depends on them.
func (a *Agent) weigh(ctx context.Context) {
	if a.joining() {
		return // nothing new is taken over before the others are known
	}
	now := time.Now()
	a.ground.see(a.voters(), a.beats.Alone && a.liveness.open(now), now)
	next := a.ground.rights(now)
	if next.answer != a.rights.answer {
		if next.answer {
			level.Info(a.log).Log("msg", "answering for addresses again")
		} else {
			level.Warn(a.log).Log("msg", "answering for no address: others may have them", "alive", a.ground.footing.alive, "of", a.ground.voters)
		}
	}
	if a.before == nil || a.ground.since.IsZero() {
		a.before = &a.snap.Claims
	}
	a.rights = next
	a.consult(ctx, now)
}

// joining tells whether this node is still looking for the others.
func (a *Agent) joining() bool {
	i := slices.IndexFunc(a.members, func(m announce.Member) bool { return m.Node == a.Node })
	return i < 0 || a.members[i].Joining
}

// consult reads the records if this node does not know what they say: to end a
// doubt, because others tell of one that the watch does not show, or because they
// may have written what it could not hear.
func (a *Agent) consult(ctx context.Context, now time.Time) {
	switch {
	case a.ground.wants(now):
		a.records.Begin(ctx, !a.ground.known(), a.ground.sure)
	case !a.ground.deaf && a.late.doubtful(now):
		a.records.Begin(ctx, true, time.Time{})
	case a.ground.listens(now, a.records.begun):
		a.records.Begin(ctx, a.ground.deaf, a.ground.returned)
	}
}

// voters are the cluster's speakers, and whether each is alive: those that were
// met and those that a record names, as far as they have a Node. A node that
// runs none has no vote, and this node alone in a new process remembers whom it
// has not met.
func (a *Agent) voters() map[string]bool {
	all := map[string]bool{}
	for _, m := range a.members {
		if _, known := a.snap.Nodes.Get(m.Node); known {
			all[m.Node] = m.Alive
		}
	}
	a.owners.read(a.snap.Claims)
	for owner := range a.owners.count {
		if _, known := a.snap.Nodes.Get(owner); known && !all[owner] {
			all[owner] = false
		}
	}
	return all
}

// unsettled tells whether time alone may change what this node may do.
func (a *Agent) unsettled() bool {
	now := time.Now()
	return a.complete() && (a.liveness.open(now) || a.ground.voters > 1 && !a.ground.since.IsZero() || a.late.open() || a.ground.hurries(now))
}

// review looks again at what time alone changes. It tells whether it did.
func (a *Agent) review(ctx context.Context) bool {
	before, members := a.rights, a.members
	a.judge()
	a.weigh(ctx)
	return a.rights != before || !reflect.DeepEqual(members, a.members)
}

// claimed are the claims that this node answers for now.
func (a *Agent) claimed() []announce.Claim {
	if !a.rights.answer {
		return nil
	}
	return a.plan.Held
}

// lives tells whether the owner of a record gave a sign of life by it: it was
// written after this node lost the majority. Gossip is not all there is; what
// the API shows is not taken from its owner.
func (a *Agent) lives(rec *config.L2Claim) bool {
	if rec == nil || a.ground.majority() || a.ground.since.IsZero() {
		return false
	}
	was, _ := a.before.Get(rec.Addr)
	return !sameRecord(was, rec)
}
