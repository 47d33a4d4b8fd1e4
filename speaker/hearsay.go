package speaker

import (
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// tellLasts is how long a takeover that another node tells of is believed. It is
// told again each second ([retryAfter]).
const tellLasts = 3 * time.Second

// tellTakeovers tells the others for which addresses this node answers before
// the record says so. One that may not answer tells nothing: the others would
// leave the addresses to it, and nobody had them.
func (a *Agent) tellTakeovers() {
	if !a.rights.answer || a.namesake {
		return
	}
	var list []announce.Takeover
	for addr, mine := range a.over {
		if mine.pending() {
			list = append(list, announce.Takeover{Addr: addr, Node: a.Node, Epoch: mine.claim.Epoch})
		}
	}
	if len(list) > 0 {
		slices.SortFunc(list, func(a, b announce.Takeover) int { return a.Addr.Compare(b.Addr) })
		a.Members.TellTakeovers(list)
	}
}

// hear takes in what other nodes tell: what they took over before the record
// says so, which may be long without the API, and what they wrote. What one node
// took over no other takes, and of those that did at the same time the first by
// name keeps it. Who tells of what this node has by a later record did not hear
// of that, and is told.
func (a *Agent) hear(list []announce.Takeover) {
	if a.snap == nil || a.namesake {
		return
	}
	alive, now := a.alive(), time.Now()
	var missed []announce.Takeover
	for _, t := range list {
		if t.Written {
			a.late.hear(a.snap, t, a.ground.deaf, now)
		}
		rec := a.late.record(a.snap, t.Addr)
		if !t.Written && rec != nil && rec.Owner == a.Node && t.Epoch <= rec.Epoch {
			missed = append(missed, recorded(rec))
		}
		if a.complete() && alive[t.Node] && follows(t.Epoch, rec) && (rec == nil || !alive[rec.Owner]) {
			a.yield(t, rec, now)
		}
	}
	if len(missed) > 0 {
		a.Members.TellTakeovers(missed)
	}
}

// yield leaves an address to the node that tells that it took it over, unless
// another one has a better right to it. A later epoch follows a record that this
// node does not know.
func (a *Agent) yield(t announce.Takeover, rec *config.L2Claim, now time.Time) {
	here, known := a.over[t.Addr]
	switch {
	case known && t.Epoch == here.claim.Epoch && here.claim.Owner == t.Node && !here.pending():
		here.heard = now
		a.over[t.Addr] = here
	case known && t.Epoch < here.claim.Epoch:
	case known && t.Epoch == here.claim.Epoch && here.claim.Owner < t.Node && !t.Written:
	case !known && t.Written:
		// the record decides
	default:
		level.Info(a.log).Log("msg", "taken over by another node, the record is to follow", "addr", t.Addr, "owner", t.Node, "epoch", t.Epoch)
		a.over[t.Addr] = local{claim: takeover(t, rec, now), base: rec, heard: now}
	}
}

// recorded is what others are told of a record.
func recorded(rec *config.L2Claim) announce.Takeover {
	return announce.Takeover{Addr: rec.Addr, Node: rec.Owner, Epoch: rec.Epoch, Written: true}
}

// takeover is the record to come of a takeover in the place of base, which is
// nil if there is none.
func takeover(t announce.Takeover, base *config.L2Claim, now time.Time) *config.L2Claim {
	claim := &config.L2Claim{Addr: t.Addr, Owner: t.Node, Epoch: t.Epoch, Since: now}
	if base != nil {
		claim.Previous = base.Owner
	}
	return claim
}
