package speaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
)

// swap starts to write the claims that the plan wants and the record lacks,
// and to delete records that nobody needs.
func (a *Agent) swap(ctx context.Context, view *config.Snapshot) {
	for _, c := range a.plan.Claims {
		mine, local := a.over[c.Addr]
		if c.Held && !(local && mine.Version == "") {
			continue
		}
		// A takeover that was decided without the API is still unwritten: the
		// record to replace is what the API last showed.
		prev, _ := view.Claims.Get(c.Addr)
		if local && mine.Version == "" {
			prev, _ = a.snap.Claims.Get(c.Addr)
		}
		a.claims.Swap(ctx, c.Addr, prev)
	}
	for _, claim := range orphans(a.snap, a.Node, a.members) {
		a.claims.Drop(ctx, claim)
	}
}

// swapped takes in the outcome of a swap.
func (a *Agent) swapped(done swapped) {
	switch {
	case done.err == nil && done.claim == nil: // a record was deleted
		delete(a.announced, done.addr)
	case done.err == nil:
		a.over[done.addr] = done.claim
		level.Info(a.log).Log("msg", "claimed", "addr", done.addr, "previous", done.claim.Previous, "epoch", done.claim.Epoch)
	case errors.Is(done.err, config.ErrConflict):
		delete(a.over, done.addr) // somebody was faster; the snapshot will show whom
		level.Info(a.log).Log("msg", "claim lost to another node", "addr", done.addr)
	default:
		a.withoutAPI(done)
	}
}

// withoutAPI takes an address over although the record cannot be written, if a
// majority of all nodes is alive on this side: the rest cannot do the same.
func (a *Agent) withoutAPI(done swapped) {
	level.Warn(a.log).Log("msg", "claim not written", "addr", done.addr, "err", done.err)
	if _, local := a.over[done.addr]; local || a.snap == nil || !a.majority() {
		return
	}
	claim := &config.L2Claim{Addr: done.addr, Owner: a.Node, Epoch: 1, Since: time.Now()}
	if prev, ok := a.snap.Claims.Get(done.addr); ok {
		claim.Previous, claim.Epoch = prev.Owner, prev.Epoch+1
	}
	a.over[done.addr] = claim
	level.Warn(a.log).Log("msg", "claimed without the API", "addr", done.addr, "previous", claim.Previous, "epoch", claim.Epoch)
}

// majority tells whether more than half of the cluster's nodes are alive here.
// Of two nodes one is not enough; a single node is.
func (a *Agent) majority() bool {
	alive := 0
	for _, m := range a.members {
		if _, known := a.snap.Nodes.Get(m.Node); known && m.Alive {
			alive++
		}
	}
	return 2*alive > a.snap.Nodes.Len()
}

// tell writes an event to each Service whose address this node answers for
// since the last decision.
func (a *Agent) tell() {
	now := make(map[netip.Addr]bool, len(a.plan.Claims))
	for _, c := range held(a.plan.Claims) {
		now[c.Addr] = true
		if a.announced[c.Addr] {
			continue
		}
		level.Info(a.log).Log("msg", "announcing", "addr", c.Addr, "link", strings.Join(c.Links, ","))
		a.told(c.Services, fmt.Sprintf("announcing %v from node %q with protocol %q", c.Addr, a.Node, "layer2"))
	}
	a.announced = now
}

func (a *Agent) told(services []config.Key, message string) {
	for _, key := range services {
		if svc, ok := a.snap.Services.Get(key); ok {
			a.Events.Event(config.Ref{Kind: config.KindService, Key: key}, svc.UID, false, "nodeAssigned", message)
		}
	}
}

// report hands the state of this node to the reporter.
func (a *Agent) report() {
	r := config.SpeakerReport{
		Node: a.Node, Version: a.Version, Forwarder: config.ForwarderReady, Claims: len(held(a.plan.Claims)),
	}
	switch {
	case a.Forwarder == nil:
		r.Forwarder = config.ForwarderOff
	case a.fault != nil:
		r.Forwarder, r.ForwarderMessage = config.ForwarderNotReady, a.fault.Error()
	}
	for _, s := range a.Routers.States() {
		r.Sessions = append(r.Sessions, config.SessionReport{
			Peer: s.Peer, Addr: s.Addr, State: s.State, Since: s.Since, Prefixes: s.Prefixes, LastDrop: cmp.Or(s.Why(), s.LastDrop.Text),
		})
		if s.Problem != "" {
			r.Problems = append(r.Problems, s.Problem)
		}
	}
	for _, c := range a.table.Conflicts() {
		r.Problems = append(r.Problems, fmt.Sprintf("%v %v: wanted by Services %v and %v; the elder, %v, has it",
			c.Addr, c.Proto, c.Winner, c.Loser, c.Winner))
	}
	for _, p := range a.HostFaults() {
		r.Problems = append(r.Problems, p.String())
	}
	slices.Sort(r.Problems)
	a.reports.Put(r)
}
