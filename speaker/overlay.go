package speaker

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// overlay holds what this node knows of claims before its snapshot shows it:
// records it wrote itself, takeovers it decided while the API was away, and those
// that other nodes tell of.
type overlay map[netip.Addr]local

// local is one such claim.
type local struct {
	claim *config.L2Claim
	base  *config.L2Claim // the record it replaces, nil if there was none
	heard time.Time       // of another node's takeover: when it was told last
}

// written tells whether the API has it.
func (l local) written() bool { return l.claim.Version != "" }

// pending tells whether it is this node's and the API has yet to get it.
func (l local) pending() bool { return !l.written() && l.heard.IsZero() }

// settle forgets what does not hold any more: a snapshot that shows another
// record than the replaced one shows ours or a later one, whose word counts;
// and a node that was taken for dead and lives answers for what the record
// gives it. A takeover that is told no more is over, or its node is dead.
func (o overlay) settle(snap *config.Snapshot, alive map[string]bool, now time.Time) {
	for addr, mine := range o {
		seen, _ := snap.Claims.Get(addr)
		back := !mine.written() && mine.base != nil && alive[mine.base.Owner]
		hushed := !mine.heard.IsZero() && (now.Sub(mine.heard) >= tellLasts || !alive[mine.claim.Owner])
		if back || hushed || !sameRecord(seen, mine.base) {
			delete(o, addr)
		}
	}
}

// keepUnwritten forgets takeovers that plan does not want any more.
func (o overlay) keepUnwritten(plan *announce.Plan) {
	for addr, mine := range o {
		if _, wanted := plan.Claim(addr); !wanted && mine.pending() {
			delete(o, addr)
		}
	}
}

// unwritten tells whether the API lacks any of it.
func (o overlay) unwritten() bool {
	for _, mine := range o {
		if !mine.written() {
			return true
		}
	}
	return false
}

// Over is snap with these claims in place of its own.
func (o overlay) Over(snap *config.Snapshot) *config.Snapshot {
	if len(o) == 0 {
		return snap
	}
	edit := snap.Claims.Edit()
	for addr, mine := range o {
		edit.Set(addr, mine.claim)
	}
	view := *snap
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
