package l4proxy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Options are what a table depends on besides the snapshot.
type Options struct {
	Node      string          // this node
	Zone      string          // of this node, "" if none
	NodeAddrs []netip.Addr    // addresses of this node that carry node ports
	Dead      map[string]bool // nodes that membership calls dead; see boundDead
	Classes   config.Classes  // the loadBalancerClasses we serve
	// ExternalIPs are the ranges in which spec.externalIPs are forwarded, of
	// Services of any type and class, as with node ports.
	ExternalIPs config.ExternalIPs
	Chances     Chances          // of connections opened through other nodes
	PodCIDRs    []netip.Prefix   // of the pods on this node
	Down        Down             // backends that health checks found down
	Relay       []netip.AddrPort // where the relay on this node listens, one for each family
}

// Build makes the forwarding table of one node.
func Build(snap *config.Snapshot, o Options) Table {
	return Update(Table{}, snap, o)
}

// Update gives the table that Build gives, reusing what prev has. If snap is
// the snapshot of prev or its successor, only the Services in snap.Changed are
// looked at, and those of which other backends are down; otherwise all are, and
// unchanged ones are recognised by identity.
func Update(prev Table, snap *config.Snapshot, o Options) Table {
	b := newBasis(snap, o)
	same := prev.self != nil && b.sameAs(&prev.basis)
	e := editor{
		prev: prev, basis: &b, snap: snap, reuse: same,
		parts: prev.parts.Edit(), claims: prev.claims.Edit(), shared: prev.shared.Edit(),
		addrs: newCounter(prev.addrs), locals: newCounter(prev.locals), health: prev.health.Edit(), relayed: prev.relayed.Edit(),
	}
	if keys, ok := changedServices(prev.basis.snap, snap); same && ok {
		for key := range config.Differing(prev.basis.down, b.down) {
			keys = append(keys, key)
		}
		for key := range unique(keys) {
			e.service(key)
		}
	} else {
		e.everything()
	}
	addrs := e.addrs.done()
	return Table{
		parts: e.parts.Done(), claims: e.claims.Done(), shared: e.shared.Done(), addrs: addrs, locals: e.locals.done(),
		health: e.health.Done(), relayed: e.relayed.Done(), pods: podRanges(o.PodCIDRs), chances: o.Chances.of(addrs),
		basis: b, self: &lineage{}, base: prev.self, touched: e.touched,
	}
}

// changedServices are the Services that changed since old, and those whose
// reservation did: it may make an address theirs. If any may have, or that cannot
// be told, ok is false.
func changedServices(old, snap *config.Snapshot) (_ []config.Key, ok bool) {
	switch ch := snap.Changed; {
	case old == snap:
		return nil, true
	case old == nil || old.Revision+1 != snap.Revision || ch.All || ch.Config:
		return nil, false
	}
	keys := slices.Clone(snap.Changed.Services)
	lost := map[netip.Addr]bool{} // addresses that only a reservation makes ours
	for _, key := range snap.Changed.Reservations {
		for _, s := range []*config.Snapshot{old, snap} {
			r, ok := s.Reservations.Get(key)
			if !ok {
				continue
			}
			keys = append(keys, r.For())
			for _, addr := range r.Status.Addrs {
				if config.PoolOf(snap.Pools, addr) == nil {
					lost[addr] = true
				}
			}
		}
	}
	if len(lost) == 0 {
		return keys, true
	}
	for key, svc := range snap.Services.All() { // those that share with the reservation's Service
		if svc.Want.ShareKey != "" && slices.ContainsFunc(svc.Addrs, func(a netip.Addr) bool { return lost[a] }) {
			keys = append(keys, key)
		}
	}
	return keys, true
}

func newBasis(snap *config.Snapshot, o Options) basis {
	b := basis{snap: snap, classes: o.Classes, extern: o.ExternalIPs, node: o.Node, zone: o.Zone, down: o.Down, relay: o.Relay,
		dead: boundDead(o.Dead, o.Node, snap.Nodes)}
	for _, a := range o.NodeAddrs {
		if a = a.Unmap(); a.IsValid() && !slices.Contains(b.addrs, a) {
			b.addrs = append(b.addrs, a)
		}
	}
	slices.SortFunc(b.addrs, netip.Addr.Compare)
	return b
}

// sameAs tells whether parts built on o hold on b as well, save for the
// addresses that are ours and the backends that are down, which each part
// compares itself.
func (b *basis) sameAs(o *basis) bool {
	return slices.Equal(b.classes, o.classes) && slices.Equal(b.extern, o.extern) && b.node == o.node && b.zone == o.zone &&
		slices.Equal(b.addrs, o.addrs) && slices.Equal(b.relay, o.relay) && maps.Equal(b.dead, o.dead)
}

// editor carries one Update.
type editor struct {
	prev    Table
	basis   *basis
	snap    *config.Snapshot
	reuse   bool // same basis: a part of the same objects is the same part
	parts   *config.Edit[config.Key, *part]
	claims  *config.Edit[Frontend, claimants]
	shared  *config.Edit[Frontend, claimants]
	addrs   *counter
	locals  *counter
	health  *config.Edit[HealthPort, int]
	relayed *config.Edit[Frontend, Relay]
	touched []config.Key
	now     map[Frontend]claimants // claims edited so far
}

func (e *editor) everything() {
	for key := range e.prev.parts.All() {
		if _, ok := e.snap.Services.Get(key); !ok {
			e.service(key)
		}
	}
	for key := range e.snap.Services.All() {
		e.service(key)
	}
}

// service replaces the part of one Service.
func (e *editor) service(key config.Key) {
	old, _ := e.prev.parts.Get(key)
	svc, ok := e.snap.Services.Get(key)
	var fresh *part
	if ok {
		eps, _ := e.snap.Endpoints.Get(key)
		sick, _ := e.basis.down.Get(key)
		if e.reuse && old != nil && old.svc == svc && old.eps == eps && old.sick == sick && slices.Equal(old.ours, e.basis.ours(svc)) && slices.Equal(old.extern, e.basis.externalIPs(svc)) {
			return
		}
		fresh = buildPart(svc, eps, old, e.basis)
	}
	switch {
	case fresh == nil && old == nil:
		return
	case fresh == nil:
		e.parts.Delete(key)
	default:
		e.parts.Set(key, fresh)
	}
	if fresh != nil && old != nil && fresh.sameAs(old) {
		return // new objects, nothing to write
	}
	e.touched = append(e.touched, key)
	e.withdraw(old)
	e.claim(fresh)
	e.setHealth(old, fresh)
}

func (e *editor) withdraw(p *part) {
	if p == nil {
		return
	}
	for _, en := range p.entries {
		left := slices.DeleteFunc(slices.Clone(e.claimsOf(en.Frontend)), func(c claimant) bool { return c.svc == p.svc.Key })
		e.setClaims(en.Frontend, left)
		if en.external {
			e.addrs.add(en.Addr.Addr(), -1)
		}
	}
	e.countLocals(p, -1)
}

func (e *editor) claim(p *part) {
	if p == nil {
		return
	}
	for _, en := range p.entries {
		c := append(slices.Clone(e.claimsOf(en.Frontend)), claimant{p.svc.Key, p.svc.Created, en.Target})
		slices.SortFunc(c, func(a, b claimant) int {
			return cmp.Or(a.created.Compare(b.created), a.svc.Compare(b.svc))
		})
		e.setClaims(en.Frontend, c)
		if en.external {
			e.addrs.add(en.Addr.Addr(), +1)
		}
	}
	e.countLocals(p, +1)
}

func (e *editor) claimsOf(f Frontend) claimants {
	if c, ok := e.now[f]; ok {
		return c
	}
	c, _ := e.prev.claims.Get(f)
	return c
}

func (e *editor) setClaims(f Frontend, c claimants) {
	if e.now == nil {
		e.now = map[Frontend]claimants{}
	}
	e.now[f] = c
	if len(c) == 0 {
		e.claims.Delete(f)
	} else {
		e.claims.Set(f, c)
	}
	if len(c) > 0 && c[0].target.Relay.On() {
		e.relayed.Set(f, c[0].target.Relay)
	} else {
		e.relayed.Delete(f)
	}
	if len(c) > 1 {
		e.shared.Set(f, c)
	} else {
		e.shared.Delete(f)
	}
}

func (e *editor) countLocals(p *part, by int) {
	for _, g := range p.groups {
		for _, b := range g.Backends {
			if b.Local {
				e.locals.add(b.Addr.Addr(), by)
			}
		}
	}
}

// unique lists every key once.
func unique(keys []config.Key) map[config.Key]struct{} {
	out := make(map[config.Key]struct{}, len(keys))
	for _, k := range keys {
		out[k] = struct{}{}
	}
	return out
}
