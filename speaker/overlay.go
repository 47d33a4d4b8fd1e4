package speaker

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// overlay holds the takeovers that no record shows yet: those that this node
// decided, and those that other nodes tell of.
type overlay map[netip.Addr]local

// local is one takeover.
type local struct {
	claim *config.L2Claim
	base  *config.L2Claim // the record it follows, nil if there was none
	heard time.Time       // of another node's takeover: when it was told last
}

// pending tells whether it is this node's and the API has yet to get it.
func (l local) pending() bool { return l.heard.IsZero() }

// settle forgets what does not hold any more: a takeover that follows another
// record than there is now, whose word counts; or from a node that was taken for
// dead and lives, and answers for what the record gives it. A takeover that is
// told no more is over, or its node is dead.
func (o overlay) settle(late ahead, snap *config.Snapshot, alive map[string]bool, now time.Time) {
	for addr, mine := range o {
		rec := late.record(snap, addr)
		back := rec != nil && alive[rec.Owner]
		hushed := !mine.pending() && (!alive[mine.claim.Owner] || now.Sub(mine.heard) >= tellLasts && !late.tells(mine.claim))
		if back || hushed || !sameRecord(rec, mine.base) {
			delete(o, addr)
		}
	}
}

// keepUnwritten forgets takeovers of this node that plan does not want any more.
func (o overlay) keepUnwritten(plan *announce.Plan) {
	for addr, mine := range o {
		if _, wanted := plan.Claim(addr); !wanted && mine.pending() {
			delete(o, addr)
		}
	}
}

// settle forgets what does not hold any more of what is known beside the snapshot.
func (a *Agent) settle(now time.Time) {
	a.late.settle(a.snap)
	a.over.settle(a.late, a.snap, a.alive(), now)
}

// view is the snapshot with all that is known beside it in place of its own.
func (a *Agent) view() *config.Snapshot {
	if len(a.over) == 0 && !a.late.counts() {
		return a.snap
	}
	edit := a.snap.Claims.Edit()
	a.late.over(a.snap, edit)
	for addr, mine := range a.over {
		edit.Set(addr, mine.claim)
	}
	view := *a.snap
	view.Claims = edit.Done()
	return &view
}

// sameRecord tells whether a and b are the same record at the same version.
func sameRecord(a, b *config.L2Claim) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Version == b.Version && a.Owner == b.Owner && a.Epoch == b.Epoch
}
