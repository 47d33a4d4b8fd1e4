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

// hear takes in what other nodes took over before the record says so, which may
// be long without the API: what one node took over no other takes, and of those
// that did at the same time the first by name keeps it.
func (a *Agent) hear(list []announce.Takeover) {
	if !a.complete() {
		return // told again
	}
	alive, now := a.alive(), time.Now()
	for _, t := range list {
		base, _ := a.snap.Claims.Get(t.Addr)
		here, known := a.over[t.Addr]
		switch {
		case !alive[t.Node] || !succeeds(t, base) || base != nil && alive[base.Owner]:
			// not by what is known here: the record decides
		case known && here.written():
			// a record, which stays when nobody tells of it any more
		case known && here.claim.Owner == t.Node:
			here.heard = now
			a.over[t.Addr] = here
		case known && here.claim.Owner < t.Node:
		default:
			level.Info(a.log).Log("msg", "taken over by another node, the record is to follow", "addr", t.Addr, "owner", t.Node, "epoch", t.Epoch)
			a.over[t.Addr] = local{claim: takeover(t, base, now), base: base, heard: now}
		}
	}
}

// succeeds tells whether t is about the record that follows base.
func succeeds(t announce.Takeover, base *config.L2Claim) bool {
	if base == nil {
		return t.Epoch == 1
	}
	return t.Epoch == base.Epoch+1
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
