package l4proxy

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Frontend is an address, port and protocol that clients connect to.
type Frontend struct {
	Addr  netip.AddrPort
	Proto config.Proto
}

// Action is what happens to a new connection to a frontend.
type Action uint8

// The actions. The zero Action means that the frontend is none of ours.
const (
	Pass    Action = iota
	Forward        // to a backend of the group
	Reject         // no endpoint anywhere: TCP RST or ICMP port unreachable
	Drop           // policy Local and no endpoint on this node
)

// Target is where a frontend leads. Group is nil only with Pass; with Reject
// and Drop it has no backends but may have draining ones.
type Target struct {
	Action Action
	Group  *Group
	// Inside, with policy Local, takes the clients inside the cluster, whatever
	// Action says; nil: they are treated as everybody. It has backends.
	Inside *Group
	// Relay says how connections go on if the groups above lead to the relay.
	Relay Relay
}

// GroupKey identifies a group: one Service port, in one family, under one
// external traffic policy, with or without source ranges.
type GroupKey struct {
	Service    config.Key
	Port       string
	Proto      config.Proto
	Family     config.Family
	Local      bool // externalTrafficPolicy: Local
	Restricted bool // loadBalancerSourceRanges apply
	Relayed    bool // leads to the relay on this node
}

// Group is a set of backends and the slots that spread clients over them.
type Group struct {
	Key      GroupKey
	ID       uint64    // stable across restarts and nodes; see [groupID]
	Class    int       // index into Classes
	Affinity bool      // the client's port is not hashed
	Backends []Backend // sorted by address
	Draining []Drain   // sorted; get no new connections, keep the old ones
	Slots    []uint16  // len Classes[Class]; index into Backends; nil without backends

	// Sources are the only clients allowed, sorted and disjoint. They count
	// if Key.Restricted is set; none then means nobody.
	Sources []config.Range
}

// Backend is an endpoint that takes new connections.
type Backend struct {
	Addr  netip.AddrPort
	Local bool // on this node: the client's address is kept
}

// Drain is an endpoint that takes no new connections.
type Drain struct {
	Addr    netip.AddrPort
	Serving bool // still answers; UDP flows stay with it too
}

// Pick is the backend of a client.
func (g *Group) Pick(client netip.AddrPort) Backend {
	return g.Backends[g.Slots[Slot(client, g.Affinity, len(g.Slots))]]
}

// Keeps tells whether a connection of long standing to addr goes on: addr is
// still a backend, or an endpoint that drains, be it at another port than before.
// A UDP flow has no end that could be waited for and stays only with an endpoint
// that serves, at the same port.
func (g *Group) Keeps(addr netip.AddrPort) bool {
	isUDP := g.Key.Proto == config.UDP
	same := func(a netip.AddrPort) bool { return a == addr || !isUDP && a.Addr() == addr.Addr() }
	return slices.ContainsFunc(g.Backends, func(b Backend) bool { return same(b.Addr) }) ||
		slices.ContainsFunc(g.Draining, func(d Drain) bool { return same(d.Addr) && (d.Serving || !isUDP) })
}

// Allows tells whether the source ranges admit client.
func (g *Group) Allows(client netip.Addr) bool {
	if !g.Key.Restricted {
		return true
	}
	for _, r := range g.Sources {
		if r.Contains(client.Unmap()) {
			return true
		}
	}
	return false
}

// Table is an immutable forwarding table. The zero Table is empty.
type Table struct {
	parts  config.Table[config.Key, *part]
	claims config.Table[Frontend, claimants]
	shared config.Table[Frontend, claimants] // those of claims with more than one
	addrs  config.Table[netip.Addr, int]     // external addresses → frontends there
	locals config.Table[netip.Addr, int]     // local backends → groups they are in

	relayed config.Table[Frontend, Relay]

	health config.Table[HealthPort, int]

	pods    []config.Range
	chances Chances // of external addresses in addrs

	basis   basis
	self    *lineage     // identity of this table
	base    *lineage     // the table it was derived from
	touched []config.Key // parts that differ from base
}

// lineage gives a table an identity; it has a size, so that every pointer to
// one is different.
type lineage struct{ _ byte }

// basis is what a table was built from, apart from Services and endpoints.
type basis struct {
	snap    *config.Snapshot
	classes config.Classes
	extern  config.ExternalIPs
	node    string
	zone    string
	addrs   []netip.Addr
	relay   []netip.AddrPort
	dead    map[string]bool // after bounding
	down    Down
}

// part is what one Service contributes to a table.
type part struct {
	svc     *config.Service
	eps     *config.Endpoints
	sick    *Sick        // backends that are down, nil if none
	ours    []netip.Addr // external addresses that are for us to serve
	extern  []netip.Addr // addresses of spec.externalIPs that are to be forwarded
	entries []entry
	groups  []*Group
	behind  []*Group // the relay; the kernel does not know them
	health  []health
}

// entry is one frontend of a part. External ones have unserved ports refused;
// the addresses of nodes and of spec.externalIPs may have other uses.
type entry struct {
	Frontend
	Target
	external bool
}

// claimants are all Services that want a frontend, the winner first.
type claimants []claimant

type claimant struct {
	svc     config.Key
	created time.Time
	target  Target
}

// Conflict is a frontend that two Services claim; the older one keeps it.
type Conflict struct {
	Frontend
	Winner, Loser config.Key
}

// Len is the number of frontends.
func (t Table) Len() int { return t.claims.Len() }

// Target returns where a frontend leads. Its Action is Pass if the frontend is
// none of ours.
func (t Table) Target(f Frontend) Target {
	c, ok := t.claims.Get(f)
	if !ok {
		return Target{}
	}
	return c[0].target
}

// Frontends ranges over all frontends in no particular order.
func (t Table) Frontends() iter.Seq2[Frontend, Target] {
	return func(yield func(Frontend, Target) bool) {
		for f, c := range t.claims.All() {
			if !yield(f, c[0].target) {
				return
			}
		}
	}
}

// Groups ranges over all groups in no particular order.
func (t Table) Groups() iter.Seq[*Group] {
	return func(yield func(*Group) bool) {
		for _, p := range t.parts.All() {
			for _, g := range p.groups {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// Serves tells whether addr is an external address with at least one frontend
// in the table. All its other ports are refused.
func (t Table) Serves(addr netip.Addr) bool {
	_, ok := t.addrs.Get(addr)
	return ok
}

// Addrs ranges over the external addresses in no particular order.
func (t Table) Addrs() iter.Seq[netip.Addr] { return keys(t.addrs) }

// Served is how many frontends each external address has. What two tables have
// in common they share, so that [config.Differing] costs what has changed.
func (t Table) Served() config.Table[netip.Addr, int] { return t.addrs }

// Chances are the second chances of connections that are not known here.
func (t Table) Chances() Chances { return t.chances }

// Locals ranges over the addresses of backends on this node.
func (t Table) Locals() iter.Seq[netip.Addr] { return keys(t.locals) }

// Conflicts lists the frontends that more than one Service claims.
func (t Table) Conflicts() []Conflict {
	var out []Conflict
	for f, c := range t.shared.All() {
		for _, loser := range c[1:] {
			out = append(out, Conflict{Frontend: f, Winner: c[0].svc, Loser: loser.svc})
		}
	}
	return out
}

func keys[K comparable, V any](t config.Table[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range t.All() {
			if !yield(k) {
				return
			}
		}
	}
}
