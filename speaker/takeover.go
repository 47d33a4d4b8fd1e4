package speaker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// swap says which records are to be written: the claims that the plan wants
// and the record lacks, and those that nobody needs.
func (a *Agent) swap(ctx context.Context) {
	var list []change
	for _, c := range a.plan.Unheld {
		prev, _ := a.snap.Claims.Get(c.Addr)
		if _, here := a.over[c.Addr]; !here && a.shown(c.Addr) && a.rights.swap && !a.lives(prev) {
			list = append(list, change{addr: c.Addr, prev: prev, links: c.Links})
		}
	}
	for addr, mine := range a.over {
		c, wanted := a.plan.Claim(addr)
		if wanted && !c.Yielding && mine.pending() && a.shown(addr) && a.rights.swap {
			prev, _ := a.snap.Claims.Get(addr)
			list = append(list, change{addr: addr, prev: prev, links: c.Links})
		}
	}
	slices.SortFunc(list, func(a, b change) int { return a.addr.Compare(b.addr) })
	for addr, claim := range a.orphans {
		list = append(list, change{addr: addr, prev: claim, drop: true})
	}
	a.claims.Want(ctx, list)
}

// shown tells whether the snapshot shows the record of addr. Only such a one is
// replaced: it takes its version, and what was written when this node did not hear
// the API is a sign of life of its owner; by the time the watch shows it heartbeats
// are here, too.
func (a *Agent) shown(addr netip.Addr) bool {
	rec, _ := a.snap.Claims.Get(addr)
	return sameRecord(rec, a.late.record(a.snap, addr))
}

// swapped takes in how writes went. The others are told of what was written.
func (a *Agent) swapped(outcomes []outcome) {
	failed, gone := map[netip.Addr]bool{}, false
	var written []announce.Takeover
	for _, o := range outcomes {
		switch {
		case o.err == nil && o.drop:
			delete(a.orphans, o.addr)
		case o.err == nil:
			a.late.known[o.addr] = late{claim: o.claim, base: o.prev}
			delete(a.over, o.addr)
			written = append(written, recorded(o.claim))
			level.Info(a.log).Log("msg", "claimed", "addr", o.addr, "previous", o.claim.Previous, "epoch", o.claim.Epoch)
		case errors.Is(o.err, config.ErrConflict):
			a.lost(o)
		case errors.Is(o.err, context.Canceled):
			continue // not wanted any more
		default:
			a.refused(o)
			failed[o.addr] = !o.drop
			gone = gone || unreachable(o.err)
			continue
		}
		a.answered()
	}
	if len(written) > 0 {
		a.Members.TellTakeovers(written)
	}
	if len(failed) > 0 {
		// An API server that cannot be reached will not take the next claim
		// either; to wait for each timeout would take minutes.
		a.seize(func(addr netip.Addr) bool { return gone || failed[addr] }, "claimed without the API")
	}
}

// lost forgets what somebody else was faster to write; the snapshot will show
// who it was. A claim written before stands until then.
func (a *Agent) lost(o outcome) {
	if o.drop {
		delete(a.orphans, o.addr)
		return
	}
	a.beaten[o.addr] = o.prev
	delete(a.over, o.addr)
	if !o.again {
		level.Info(a.log).Log("msg", "claim lost to another node", "addr", o.addr)
	}
}

// refused notes a write that failed for another reason than being late.
func (a *Agent) refused(o outcome) {
	if !a.apiFault {
		a.apiFault = true
		level.Warn(a.log).Log("msg", "claims not written, trying again", "addr", o.addr, "err", o.err)
	}
}

// answered notes that the API server took or judged a write.
func (a *Agent) answered() {
	if a.apiFault {
		a.apiFault = false
		level.Info(a.log).Log("msg", "claims are written again")
	}
}

// unreachable tells whether nobody answered, in contrast to a "no".
func unreachable(err error) bool {
	var transport net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &transport)
}

// seize takes over addresses before the records are written, if a majority of
// all speakers is alive on this side, so that the rest cannot do the same, and
// if the recorded owner is not alive. It tells whether it did: the next decision
// takes them for held.
func (a *Agent) seize(which func(netip.Addr) bool, msg string) bool {
	if a.snap == nil || !a.rights.seize || !a.ground.majority() {
		return false
	}
	alive, now, count := a.alive(), time.Now(), 0
	for _, c := range a.plan.Unheld {
		_, here := a.over[c.Addr]
		shown, _ := a.snap.Claims.Get(c.Addr)
		rec := a.late.record(a.snap, c.Addr)
		if here || !which(c.Addr) || rec != nil && alive[rec.Owner] || a.late.news(c.Addr, now) || a.outrun(c.Addr, shown) {
			continue
		}
		next := announce.Takeover{Addr: c.Addr, Node: a.Node, Epoch: 1}
		if rec != nil {
			next.Epoch = rec.Epoch + 1
		}
		claim := takeover(next, rec, now)
		a.over[c.Addr] = local{claim: claim, base: rec}
		count++
		level.Debug(a.log).Log("msg", msg, "addr", c.Addr, "previous", claim.Previous, "epoch", claim.Epoch)
	}
	if count > 0 {
		level.Warn(a.log).Log("msg", msg, "addrs", count)
		a.tellTakeovers()
	}
	return count > 0
}

// bereaved tells of an address whether its owner is dead, or its speaker: it is
// answered for at once, and the record is written beside it. An owner that was
// never met, or said goodbye, is not known to be dead; the record decides about
// it.
func (a *Agent) bereaved() func(netip.Addr) bool {
	gone := map[string]bool{}
	for _, m := range a.members {
		gone[m.Node] = m.Dead() || m.Vacant && !m.Alive
	}
	return func(addr netip.Addr) bool {
		rec := a.late.record(a.snap, addr)
		return rec != nil && gone[rec.Owner]
	}
}

// outrun tells whether another node has replaced rec, which the snapshot has
// yet to show.
func (a *Agent) outrun(addr netip.Addr, rec *config.L2Claim) bool {
	old, ok := a.beaten[addr]
	if ok && !sameRecord(old, rec) {
		delete(a.beaten, addr)
		return false
	}
	return ok
}
