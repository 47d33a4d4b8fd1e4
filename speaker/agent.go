package speaker

import (
	"context"
	"net/netip"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	beatEvery  = 100 * time.Millisecond // well below the responders' detection time
	retryAfter = time.Second            // after a failed apply or swap
)

// Agent decides and applies for one node. Make it with [New].
type Agent struct {
	Parts
	log     log.Logger
	claims  *claimer
	reports *reporter

	// What was last seen.
	snap    *config.Snapshot
	members []announce.Member
	host    host.State

	// What was last done.
	table     l4proxy.Table
	forward   announce.Forwarding
	fault     error // of the forwarder, nil when it is ready
	over      overlay
	plan      announce.Plan
	announced map[netip.Addr]bool // told of in an event
}

// New makes an agent of its parts.
func New(logger log.Logger, parts Parts) *Agent {
	a := &Agent{
		Parts: parts, log: logger,
		claims: newClaimer(parts.Claims, parts.Node), reports: newReporter(logger, parts.Reports),
		over: overlay{}, announced: map[netip.Addr]bool{},
	}
	if parts.Forwarder == nil {
		a.forward = announce.ForwardingOff
	}
	return a
}

// loop takes in what changed and acts on it, until ctx ends.
func (a *Agent) loop(ctx context.Context) {
	retry := time.NewTimer(retryAfter)
	defer retry.Stop()
	for {
		again := true
		select {
		case <-ctx.Done():
			return
		case snap := <-a.Snapshots:
			a.take(snap)
		case a.members = <-a.Members.Members():
		case a.host = <-a.Hosts:
			a.Members.Apply(announce.UsableLinks(a.host, a.ExcludedLinks))
		case done := <-a.claims.results:
			a.swapped(done)
		case <-retry.C:
			again = a.unfinished()
			retry.Reset(retryAfter)
		case <-a.Routers.Changed():
			a.report()
			again = false
		}
		if again && a.complete() {
			a.reconcile(ctx)
		}
	}
}

// take makes snap the current snapshot. The members are told whom to talk to.
func (a *Agent) take(snap *config.Snapshot) {
	a.snap = snap
	if snap.Changed.All || len(snap.Changed.Nodes) > 0 {
		var addrs []netip.AddrPort
		for name, node := range snap.Nodes.All() {
			if name != a.Node && len(node.Addrs) > 0 {
				addrs = append(addrs, netip.AddrPortFrom(node.Addrs[0], a.GossipPort))
			}
		}
		a.Members.Join(addrs)
	}
}

// complete tells whether every source has spoken once.
func (a *Agent) complete() bool {
	return a.snap != nil && a.members != nil && len(a.host.Links) > 0
}

// unfinished tells whether something failed and should be tried again.
func (a *Agent) unfinished() bool {
	if a.fault != nil {
		return true
	}
	for _, c := range a.plan.Claims {
		if !c.Held {
			return true
		}
	}
	return len(a.over) > 0
}

// reconcile decides from what was last seen and applies it, in order.
func (a *Agent) reconcile(ctx context.Context) {
	a.forwardTable()
	view := a.decide()
	a.LAN.Apply(held(a.plan.Claims), a.host)
	a.Routers.Apply(a.plan.Sessions)
	a.swap(ctx, view)
	a.tell()
	a.Health.Ready("decision")
	a.report()
}

// decide makes the plan and returns the view that it was made from.
func (a *Agent) decide() *config.Snapshot {
	view := a.over.Over(a.snap)
	a.plan = announce.Decide(announce.Input{
		Snap: view, Self: a.Node, Members: a.members, Host: a.host, Forward: a.forward,
		Class: a.Class, ExcludedLinks: a.ExcludedLinks, IgnoreExcludeLabel: a.IgnoreExcludeLabel,
	})
	return view
}

// forwardTable brings the kernel's table up to date. What it could not write
// is not announced for the first time; what it wrote before stays.
func (a *Agent) forwardTable() {
	if a.Forwarder == nil {
		return
	}
	table := l4proxy.Update(a.table, a.snap, l4proxy.Options{
		Node: a.Node, NodeAddrs: a.nodeAddrs(), Dead: dead(a.members), Class: a.Class,
	})
	err := a.Forwarder.Apply(table)
	if err != nil {
		if a.fault == nil || a.fault.Error() != err.Error() {
			level.Error(a.log).Log("msg", "forwarding table not written", "err", err)
		}
		a.fault = err
		a.Health.NotReady("forwarder", err.Error())
		return
	}
	if a.fault != nil {
		level.Info(a.log).Log("msg", "forwarding table written again")
	}
	a.table, a.fault = table, nil
	a.forward = announce.Forwarding{Ready: map[netip.Addr]struct{}{}}
	for addr := range table.Addrs() {
		a.forward.Ready[addr] = struct{}{}
	}
	a.Health.Ready("forwarder")
}

// nodeAddrs are the addresses of this node that carry node ports.
func (a *Agent) nodeAddrs() []netip.Addr {
	if node, ok := a.snap.Nodes.Get(a.Node); ok {
		return node.Addrs
	}
	return nil
}

func dead(members []announce.Member) map[string]bool {
	out := map[string]bool{}
	for _, m := range members {
		if m.Dead() {
			out[m.Node] = true
		}
	}
	return out
}

func held(claims []announce.Claim) []announce.Claim {
	var out []announce.Claim
	for _, c := range claims {
		if c.Held {
			out = append(out, c)
		}
	}
	return out
}
