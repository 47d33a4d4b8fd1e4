package speaker

import (
	"net/netip"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	// chanceFor is how long connections opened before an address moved may go on
	// through the node that had it.
	chanceFor = time.Hour

	// strayFor is how long packets that still come to the node that had it go on
	// to the one that has it. Neighbours that missed the announcement ask again
	// within that time.
	strayFor = time.Minute
)

// moves are what second chances are decided from.
type moves struct {
	self    string
	claims  config.Table[netip.Addr, *config.L2Claim]
	nodes   config.Table[string, *config.Node]
	members []announce.Member
	outages outages
	host    host.State
	links   []announce.Link // of host, usable
}

// chances are the second chances that this node gives at the time now, and when
// the first of them ends by time alone, zero if none does.
func (v *moves) chances(now time.Time) (c l4proxy.Chances, lapse time.Time) {
	for addr, rec := range v.claims.All() {
		node, end := v.other(rec, now)
		if node == "" {
			continue
		}
		hop, ok := v.hop(node, config.FamilyOf(addr))
		if !ok {
			continue
		}
		if c.Hops == nil {
			c.Hops = map[netip.Addr]l4proxy.Hop{}
		}
		c.Hops[addr] = hop
		if lapse.IsZero() || end.Before(lapse) {
			lapse = end
		}
	}
	if c.Hops != nil {
		c.Nodes = v.macs()
	}
	return c, lapse
}

// other is the node that may know the connections of an address that this one
// knows nothing of, and until when: of an address that the record gives to this
// node the one that had it before, if it has not died since; of one that this
// node had, the one that has it. It may have its own back, and neighbours go on
// sending here for a moment.
func (v *moves) other(rec *config.L2Claim, now time.Time) (string, time.Time) {
	node, lasts := "", time.Duration(0)
	switch {
	case rec.Owner == rec.Previous:
	case rec.Owner == v.self && !v.outages.since(rec.Previous, rec.Since):
		node, lasts = rec.Previous, chanceFor
	case rec.Previous == v.self:
		node, lasts = rec.Owner, strayFor
	}
	if now.Sub(rec.Since).Abs() >= lasts {
		return "", time.Time{}
	}
	return node, rec.Since.Add(lasts)
}

// hop is how a node that lives is reached without a router, if it is. Its
// speaker may have crashed: the kernel goes on.
func (v *moves) hop(name string, family config.Family) (l4proxy.Hop, bool) {
	node, known := v.nodes.Get(name)
	i := slices.IndexFunc(v.members, func(m announce.Member) bool { return m.Node == name && (m.Alive || m.Vacant) })
	if !known || i < 0 || name == v.self {
		return l4proxy.Hop{}, false
	}
	for _, addr := range node.Addrs {
		if config.FamilyOf(addr) != family || !recognised(v.members[i].Links, addr) {
			continue
		}
		for _, l := range v.links {
			if link, ok := v.host.Link(l.Name); ok && l.On(addr) {
				return l4proxy.Hop{Addr: addr.Unmap(), Link: link.Index}, true
			}
		}
	}
	return l4proxy.Hop{}, false
}

// recognised tells whether a node with these interfaces is known by its
// hardware address on the subnet of addr. What it sends back would go round in
// circles otherwise.
func recognised(links []announce.Link, addr netip.Addr) bool {
	near := slices.DeleteFunc(slices.Clone(links), func(l announce.Link) bool { return !l.On(addr) })
	return len(near) > 0 && !slices.ContainsFunc(near, func(l announce.Link) bool { return l.MAC == [6]byte{} })
}

// macs are the hardware addresses of all other nodes, as far as they tell.
func (v *moves) macs() (out []l4proxy.MAC) {
	for _, m := range v.members {
		for _, l := range m.Links {
			if m.Node != v.self && l.MAC != [6]byte{} {
				out = append(out, l4proxy.MAC(l.MAC))
			}
		}
	}
	slices.SortFunc(out, l4proxy.MAC.Compare)
	return slices.Compact(out)
}

// outages says when nodes were last known to be dead.
type outages map[string]outage

type outage struct {
	last time.Time // known to be dead; the end of it, if it is over
	over bool
}

// note takes in who is alive.
func (o outages) note(members []announce.Member, now time.Time) {
	for _, m := range members {
		was, known := o[m.Node]
		switch {
		case m.Dead():
			o[m.Node] = outage{last: now}
		case known && !was.over && (m.Alive || m.Vacant):
			o[m.Node] = outage{last: now, over: true}
		}
	}
	for node, was := range o {
		if now.Sub(was.last) > chanceFor {
			delete(o, node) // long forgotten by all chances
		}
	}
}

// since tells whether node was dead at that time or later.
func (o outages) since(node string, t time.Time) bool {
	was, known := o[node]
	return known && !was.last.Before(t)
}

// secondChances are those that this node gives, until what they follow from
// changes.
type secondChances struct {
	exchanges exchanges
	scene     int // of the agent, when they were found
	found     l4proxy.Chances
	lapse     time.Time // of the first of them; zero: none ends by itself
}

// chances are the second chances that this node gives now, and when the first of
// them ends by time alone.
func (a *Agent) chances(now time.Time) (l4proxy.Chances, time.Time) {
	c := &a.second
	a.settle(now)
	news := c.exchanges.read(a.view().Claims, a.Node, now)
	over := !c.lapse.IsZero() && !now.Before(c.lapse)
	if news || over || c.scene != a.scene {
		v := moves{self: a.Node, claims: c.exchanges.list, nodes: a.snap.Nodes,
			members: a.members, outages: a.outages, host: a.host, links: a.links}
		c.found, c.lapse = v.chances(now)
		c.scene = a.scene
	}
	return c.found, c.lapse
}

// tellChances logs which second chances came and went.
func (a *Agent) tellChances(old, now l4proxy.Chances) {
	for addr, hop := range now.Hops {
		if old.Hops[addr] != hop {
			level.Info(a.log).Log("msg", "connections opened before the move go on through the node before", "addr", addr, "via", hop.Addr)
		}
	}
	for addr := range old.Hops {
		if _, ok := now.Hops[addr]; !ok {
			level.Info(a.log).Log("msg", "connections opened before the move end", "addr", addr)
		}
	}
}
