package speaker

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/layer2"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

const (
	beatEvery  = 25 * time.Millisecond // well below the responders' detection time
	retryAfter = time.Second           // after a failed apply or swap
)

// Agent decides and applies for one node. Make it with [New].
type Agent struct {
	Parts
	log     log.Logger
	claims  *claimer
	records *reader
	reports *reporter
	guard   *guard
	metrics *metrics
	faults  *feed.Latest[[]config.Problem]
	going   atomic.Bool // on the way out: tasks may end

	// What was last seen.
	snap     *config.Snapshot
	met      []announce.Member // as membership has them
	beats    pulse.View
	members  []announce.Member // with the last word on who is alive
	since    aliveSince
	outages  outages
	label    exclusion // of this node
	arrival  arrival
	deadEnds []config.Problem // routes of routers that cannot be used
	blocked  []config.Problem // ways from VRFs to pods
	host     host.State
	links    []announce.Link  // of host, usable
	ailing   []config.Problem // faults of this host
	scene    int              // grows when a node, a member or this host changes
	seen     inputs           // spoken at least once
	fresh    inputs           // changed since the last decision
	changed  config.Changes   // of the snapshots since the last decision

	// What follows from it over time.
	namesake bool // the name is another's: nothing is done
	liveness *liveness
	ground   *ground
	rights   rights
	before   *claimTable // records when there was no doubt, or the first ones
	owners   owners

	// What was last done.
	watched    []pulse.Peer // by heartbeats
	table      forwarding
	relay      relaying
	untaken    time.Time // when the first change came that the table may lack; zero: none
	checks     checks
	second     secondChances
	late       ahead                          // records
	over       overlay                        // takeovers
	beaten     map[netip.Addr]*config.L2Claim // records that another node was faster to replace
	orphans    map[netip.Addr]*config.L2Claim // records to delete
	stray      bool                           // there may be other orphans
	plan       announce.Decision
	found      layer2.Findings       // that plan was made with
	told       told                  // in events
	exceptions exceptions            // reported
	contested  map[announcement]bool // told of in a warning
	apiFault   bool                  // the last writes of claims failed
}

// inputs are the sources that a decision is made from.
type inputs struct{ snap, members, host bool }

// New makes an agent of its parts.
func New(logger log.Logger, parts Parts) *Agent {
	return &Agent{
		Parts: parts, log: logger,
		claims: newClaimer(parts.Claims, parts.Node), records: newReader(parts.Records), reports: newReporter(logger, parts.Reports),
		guard:   newGuard(logger, parts),
		metrics: newMetrics(parts.Metrics), faults: feed.NewLatest[[]config.Problem](nil),
		liveness: newLiveness(), ground: newGround(), rights: rights{answer: true, swap: true, seize: true},
		checks: newChecks(parts), late: newAhead(), over: overlay{}, beaten: map[netip.Addr]*config.L2Claim{}, owners: owners{count: map[string]int{}}, since: aliveSince{}, outages: outages{},
	}
}

// loop takes in what changed and acts on it, until ctx ends.
func (a *Agent) loop(ctx context.Context) {
	retry := time.NewTicker(retryAfter)
	defer retry.Stop()
	for {
		again := true
		var review <-chan time.Time
		if a.unsettled() {
			review = time.After(reviewEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-review:
			if !a.review(ctx) {
				continue
			}
		case got := <-a.records.done.C():
			a.learn(got)
		case beats := <-a.Pulse.Views():
			a.feel(beats)
		case told := <-a.Members.Takeovers():
			a.hear(told)
		case words := <-a.Members.Health():
			again = a.hearHealth(words)
		case verdicts := <-a.verdicts():
			again = a.judgeBackends(verdicts)
		case report := <-a.relayUpdates():
			a.hearRelay(report)
		case snap := <-a.Snapshots:
			a.take(snap)
		case members := <-a.Members.Members():
			a.meet(members)
		case state := <-a.Hosts:
			a.look(state)
		case <-a.claims.ready:
		case <-a.LAN.Changed():
		case <-a.Discovery.Changed():
		case <-retry.C:
			a.findOrphans()
			a.inspectTable()
			a.tellTakeovers()
			a.tellBackends(time.Now())
			a.arrive(time.Now())
			a.takeIn()
			a.findPassages()
			if again = a.unfinished(); !again && a.complete() {
				a.consult(ctx, time.Now())
			}
		case a.ailing = <-a.faults.C():
			again = false
		case <-a.Routers.Changed():
			a.watchRouters()
			a.arrive(time.Now())
			a.takeIn()
			again = false
		case <-a.Inbound.Changed():
			again = false
		case <-a.guard.changed:
			again = false
		}
		if !again {
			a.report()
			continue
		}
		a.absorb()
		if a.complete() {
			a.reconcile(ctx)
		}
	}
}

// absorb takes in what has come meanwhile, so that one decision serves all.
func (a *Agent) absorb() {
	select {
	case snap := <-a.Snapshots:
		a.take(snap)
	default:
	}
	select {
	case members := <-a.Members.Members():
		a.meet(members)
	default:
	}
	select {
	case beats := <-a.Pulse.Views():
		a.feel(beats)
	default:
	}
	select {
	case state := <-a.Hosts:
		a.look(state)
	default:
	}
	a.swapped(a.claims.Take())
}

// take makes snap the current snapshot. The members are told whom to talk to, and
// what those who come are to know.
func (a *Agent) take(snap *config.Snapshot) {
	a.changed = a.changed.Merge(snap.Changed)
	a.snap, a.seen.snap, a.fresh.snap = snap, true, true
	if a.untaken.IsZero() && len(snap.Changed.Services) > 0 {
		a.untaken = snap.Since
	}
	a.Members.Share(snap.Claims)
	a.watchBackends(snap)
	if snap.Changed.All || len(snap.Changed.Nodes) > 0 {
		a.scene++
		if a.recognise(); a.namesake {
			return
		}
		a.Members.Join(a.others())
		a.introduce()
	}
}

// others are where the speakers of the other nodes can be met: at the address
// of the family that this node's own gossip has, since no other is listened on.
func (a *Agent) others() []netip.AddrPort {
	addrs := []netip.AddrPort{}
	for name, node := range a.snap.Nodes.All() {
		if name == a.Node {
			continue
		}
		if addr, ok := a.addrOf(node); ok {
			addrs = append(addrs, netip.AddrPortFrom(addr, a.GossipPort))
		}
	}
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return addrs
}

// addrOf is where the speaker of node can be met, if it has an address.
func (a *Agent) addrOf(node *config.Node) (netip.Addr, bool) {
	i := slices.IndexFunc(node.Addrs, func(addr netip.Addr) bool {
		return !a.GossipAddr.IsValid() || addr.Unmap().Is4() == a.GossipAddr.Unmap().Is4()
	})
	if i < 0 {
		return netip.Addr{}, false
	}
	return node.Addrs[i].Unmap(), true
}

// look makes state what this host looks like. The others are told.
func (a *Agent) look(state host.State) {
	a.host, a.seen.host, a.fresh.host = state, true, true
	a.scene++
	a.links = announce.UsableLinks(state, a.ExcludedLinks)
	a.Members.Apply(a.links)
}

// complete tells whether every source has spoken once.
func (a *Agent) complete() bool { return a.seen == inputs{true, true, true} }

// unfinished tells whether something failed and should be tried again.
func (a *Agent) unfinished() bool {
	return a.table.fault != nil || !a.relay.since.IsZero() || !a.table.written && !a.table.since.IsZero() || len(a.orphans) > 0 ||
		a.since.matters(a.snap, time.Now()) || len(a.over) > 0 || a.table.lapsed(time.Now()) || a.otherBackendsDown() ||
		a.label.over(time.Now()) || len(a.plan.Unheld) > 0
}

// reconcile decides from what was last seen and applies it, in order: nothing
// is announced that the forwarder has not taken.
func (a *Agent) reconcile(ctx context.Context) {
	if a.namesake {
		a.LAN.Apply(nil, a.host)
		return
	}
	a.shareChecks(time.Now())
	a.forwardTable(time.Now())
	a.weigh(ctx)
	a.decide()
	if a.seize(a.bereaved(), "taking over from dead nodes") {
		a.forwardTable(time.Now()) // connections through an owner whose speaker crashed get their second chance first
		a.decide()
	}
	a.tellHealth(false)
	a.LAN.Apply(a.claimed(), a.host)
	a.LAN.Ask(a.plan.Probes, a.otherMembers(), a.host)
	a.discover()
	a.watchRouters() // before the sessions: they are to find BFD up
	if a.routersTold() {
		a.Routers.Apply(a.sessions())
	}
	a.stray = a.stray || a.fresh.members || a.changed.All || len(a.changed.Claims) > 0 || len(a.changed.Services) > 0
	a.Health.Ready("decision") // what is left to do is others' work, and takes its time
	a.arrive(time.Now())
	a.takeIn()
	a.swap(ctx)
	a.tell()
	a.report()
	a.fresh, a.changed = inputs{}, config.Changes{}
}

// watchRouters has the routers of the plan watched by BFD; before there is a plan
// nothing is said of what is left of an earlier life.
func (a *Agent) watchRouters() {
	if a.complete() {
		a.guard.Apply(a.sessions(), a.Routers.States(), a.host)
	}
}

// decide makes the plan.
func (a *Agent) decide() {
	now := time.Now()
	a.settle(now)
	a.label.note(a.self().Excluded(), now)
	a.label.drains = a.label.draining(now)
	a.found = a.LAN.Findings()
	a.plan = announce.Update(a.plan, announce.Input{
		Snap: a.view(), Self: a.Node, Members: a.since.mark(a.members, now), Host: a.host, Forward: a.forwards(),
		Classes: a.Classes, ExcludedLinks: a.ExcludedLinks, IgnoreExcludeLabel: a.IgnoreExcludeLabel,
		Probes: a.found.Probes, Draining: a.label.drains,
	})
	a.over.keepUnwritten(&a.plan.Plan)
}

// alive are the nodes whose speakers live.
func (a *Agent) alive() map[string]bool {
	out := make(map[string]bool, len(a.members))
	for _, m := range a.members {
		if m.Alive {
			out[m.Node] = true
		}
	}
	return out
}
