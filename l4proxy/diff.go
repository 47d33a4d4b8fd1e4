package l4proxy

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

// Delta is what changes from one table to another. Written in the order of
// its fields, no frontend ever leads to a group that is not there.
type Delta struct {
	NewGroups     []*Group
	ChangedGroups []GroupChange
	Frontends     []FrontendChange
	OldGroups     []*Group

	NewAddrs, OldAddrs   []netip.Addr // external addresses
	NewLocals, OldLocals []netip.Addr // addresses of backends on this node

	NewPods, OldPods []config.Range // addresses of this node's pods

	NewNodes []MAC
	Hops     []HopChange
	OldNodes []MAC
}

// GroupChange is a group that keeps its ID and gets other backends.
type GroupChange struct{ Old, New *Group }

// FrontendChange is a frontend that leads elsewhere. An Action of Pass means
// that it is not there.
type FrontendChange struct {
	Frontend
	Old, New Target
}

// Empty tells whether there is nothing to do.
func (d *Delta) Empty() bool {
	return len(d.NewGroups)+len(d.ChangedGroups)+len(d.Frontends)+len(d.OldGroups)+
		len(d.NewAddrs)+len(d.OldAddrs)+len(d.NewLocals)+len(d.OldLocals)+
		len(d.NewPods)+len(d.OldPods)+len(d.NewNodes)+len(d.Hops)+len(d.OldNodes) == 0
}

// Diff is what changes from old to new. It costs as much as the change if new
// is an [Update] of old, and a look at every Service otherwise.
func Diff(old, new Table) Delta {
	d := differ{old: old, new: new, seen: map[Frontend]bool{},
		addrs: map[netip.Addr]bool{}, locals: map[netip.Addr]bool{}}
	if new.self == old.self && new.self != nil {
		return d.Delta
	}
	if new.base != nil && new.base == old.self {
		for _, key := range new.touched {
			d.service(key)
		}
	} else {
		d.everything()
	}
	d.NewAddrs, d.OldAddrs = split(d.addrs, old.addrs, new.addrs)
	d.NewLocals, d.OldLocals = split(d.locals, old.locals, new.locals)
	d.diffPods(old.pods, new.pods)
	d.diffChances(old.chances, new.chances)
	return d.Delta
}

type differ struct {
	Delta
	old, new      Table
	seen          map[Frontend]bool
	addrs, locals map[netip.Addr]bool // may have changed
}

func (d *differ) everything() {
	for key := range d.new.parts.All() {
		d.service(key)
	}
	for key := range d.old.parts.All() {
		if _, ok := d.new.parts.Get(key); !ok {
			d.service(key)
		}
	}
}

func (d *differ) service(key config.Key) {
	old, _ := d.old.parts.Get(key)
	new, _ := d.new.parts.Get(key)
	if old == new {
		return
	}
	d.frontends(old)
	d.frontends(new)
	d.groups(old, new)
}

func (d *differ) frontends(p *part) {
	if p == nil {
		return
	}
	for _, e := range p.entries {
		if d.seen[e.Frontend] {
			continue
		}
		d.seen[e.Frontend] = true
		if e.external {
			d.addrs[e.Addr.Addr()] = true
		}
		c := FrontendChange{e.Frontend, d.old.Target(e.Frontend), d.new.Target(e.Frontend)}
		if c.Old.Action != c.New.Action || c.Old.id() != c.New.id() || c.Old.insideID() != c.New.insideID() {
			d.Frontends = append(d.Frontends, c)
		}
	}
}

func (d *differ) groups(old, new *part) {
	had := map[uint64]*Group{}
	if old != nil {
		for _, g := range old.groups {
			had[g.ID] = g
			d.localsOf(g)
		}
	}
	if new != nil {
		for _, g := range new.groups {
			d.localsOf(g)
			was, ok := had[g.ID]
			delete(had, g.ID)
			if !ok {
				d.NewGroups = append(d.NewGroups, g)
			} else if was != g {
				d.ChangedGroups = append(d.ChangedGroups, GroupChange{was, g})
			}
		}
	}
	for _, g := range had {
		d.OldGroups = append(d.OldGroups, g)
	}
}

func (d *differ) localsOf(g *Group) {
	for _, b := range g.Backends {
		if b.Local {
			d.locals[b.Addr.Addr()] = true
		}
	}
}

func (t Target) id() uint64 {
	if t.Group == nil {
		return 0
	}
	return t.Group.ID
}

func split(maybe map[netip.Addr]bool, old, new config.Table[netip.Addr, int]) (added, gone []netip.Addr) {
	for a := range maybe {
		_, was := old.Get(a)
		_, is := new.Get(a)
		switch {
		case is && !was:
			added = append(added, a)
		case was && !is:
			gone = append(gone, a)
		}
	}
	return added, gone
}
