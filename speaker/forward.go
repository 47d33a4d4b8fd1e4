package speaker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// forwarding is the forwarder's table and how writing it went.
type forwarding struct {
	table    l4proxy.Table
	ready    announce.Forwarding // addresses of table
	problems []string            // Services that want the same frontend
	dead     map[string]bool     // nodes that table takes for gone
	chances  l4proxy.Chances     // of connections opened through other nodes
	down     l4proxy.Down        // backends that table leaves out
	lapse    time.Time           // of the first of chances; zero: none ends by itself
	relay    []netip.AddrPort    // that table leads to
	written  bool                // at least once
	since    time.Time           // it is waited for; zero: not yet
	fault    error               // of the last attempt
	tried    time.Time
}

// forwardTable brings the kernel's table up to date. What it could not write
// is not announced for the first time; what it wrote before stays.
func (a *Agent) forwardTable(now time.Time) {
	if a.Forwarder == nil {
		a.Health.Ready("forwarder") // somebody else's business
		return
	}
	if !a.table.written && a.meets(now) {
		return
	}
	chances, lapse := a.chances(now)
	if !a.tableDue(now, chances) {
		a.table.lapse = lapse
		return
	}
	gone, down, node := dead(a.members), a.backendsDown(), a.self()
	to := a.relayAddrs(node)
	table := l4proxy.Update(a.table.table, a.snap, l4proxy.Options{
		Node: a.Node, Zone: node.Labels[config.ZoneLabel], NodeAddrs: node.Addrs, PodCIDRs: a.podsHere(node), Dead: gone, Classes: a.Classes,
		ExternalIPs: a.ExternalIPs, Chances: chances, Down: down, Relay: to,
	})
	if a.relayFirst(table, now) {
		return
	}
	err := a.Forwarder.Apply(table)
	a.table.tried = now
	if err != nil {
		if a.table.fault == nil || a.table.fault.Error() != err.Error() {
			level.Error(a.log).Log("msg", "forwarding table not written", "err", err)
		}
		a.table.fault = err
		a.Health.NotReady("forwarder", err.Error())
		return
	}
	if a.table.fault != nil {
		level.Info(a.log).Log("msg", "forwarding table written again")
	}
	a.relayAfter(table)
	if !a.untaken.IsZero() {
		a.metrics.programming.Observe(time.Since(a.untaken).Seconds())
		a.untaken = time.Time{}
	}
	a.tellChances(a.table.chances, chances)
	a.table = forwarding{
		table: table, ready: announce.Forwarding{Ready: table.Served()}, problems: conflicts(table), dead: gone, chances: chances, lapse: lapse, down: down,
		written: true, tried: now, relay: to,
	}
	a.Health.Ready("forwarder")
}

// meetPatience is how long a new process waits to meet the others before it
// writes its first table.
const meetPatience = time.Second

// meets tells whether this node is still about to meet the others. Its kernel
// goes on with the table of its former process meanwhile: one that is written
// now would take second chances away that are given again a moment later.
func (a *Agent) meets(now time.Time) bool {
	if !a.joining() {
		return false
	}
	if a.table.since.IsZero() {
		a.table.since = now
	}
	return now.Sub(a.table.since) < meetPatience
}

// lapsed tells whether a second chance is over by time alone.
func (f *forwarding) lapsed(now time.Time) bool { return !f.lapse.IsZero() && !now.Before(f.lapse) }

// tableDue tells whether the table may differ from the one written. One that
// could not be written is tried again once a second at most: each attempt
// reads all that the kernel has.
func (a *Agent) tableDue(now time.Time, chances l4proxy.Chances) bool {
	if a.table.fault != nil {
		return now.Sub(a.table.tried) >= retryAfter
	}
	return !a.table.written || a.fresh.snap || !a.relay.since.IsZero() || !slices.Equal(a.table.relay, a.relayAddrs(a.self())) || a.otherBackendsDown() || !chances.Equal(a.table.chances) || a.fresh.members && !maps.Equal(a.table.dead, dead(a.members))
}

// inspectTable looks whether somebody else removed the table from the kernel,
// so that it is written again even if nothing changes in the cluster.
func (a *Agent) inspectTable() {
	if a.Forwarder == nil || !a.table.written || a.table.fault != nil {
		return
	}
	if err := a.Forwarder.Inspect(); err != nil {
		level.Warn(a.log).Log("msg", "forwarding table disturbed, writing it again", "err", err)
		a.table.fault, a.table.tried = err, time.Time{}
	}
}

// tellHealth has other load balancers told what they may send to this node, once
// the first table is written.
func (a *Agent) tellHealth(leaving bool) {
	if a.Forwarder == nil || !a.table.written {
		return
	}
	a.HealthPorts.Apply(a.table.table.HealthPorts(), a.table.fault == nil && !leaving)
}

// podsHere are the addresses of this node's pods. If they were set, other nodes'
// may be among them: these meet their own node's table first.
func (a *Agent) podsHere(node *config.Node) []netip.Prefix {
	if len(a.PodCIDRs) > 0 {
		return a.PodCIDRs
	}
	return node.PodCIDRs
}

// self is this node as the API has it, or one of which nothing is known.
func (a *Agent) self() *config.Node {
	if node, ok := a.snap.Nodes.Get(a.Node); ok {
		return node
	}
	return &config.Node{Name: a.Node}
}

func conflicts(table l4proxy.Table) []string {
	var out []string
	for _, c := range table.Conflicts() {
		out = append(out, fmt.Sprintf("%v %v: wanted by Services %v and %v; the elder, %v, has it",
			c.Addr, c.Proto, c.Winner, c.Loser, c.Winner))
	}
	slices.Sort(out)
	return out
}

// forwards is what the decision is told of the forwarder.
func (a *Agent) forwards() announce.Forwarding {
	if a.Forwarder == nil {
		return announce.ForwardingOff
	}
	return a.relayed(a.table.ready)
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
