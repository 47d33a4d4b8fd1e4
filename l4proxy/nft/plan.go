package nft

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// planDelta turns a difference of tables into writes, ordered so that no
// frontend ever leads to a group that is not there yet or no more.
func (f *family) planDelta(d *l4proxy.Delta) *plan {
	p, a := &plan{}, &arena{}
	var sources []nftables.SetElement
	var groups [len(l4proxy.Classes)][]*l4proxy.Group
	for _, g := range d.NewGroups {
		if g.Key.Family == f.fam {
			groups[g.Class], sources = append(groups[g.Class], g), a.sources(sources, g)
		}
	}
	p.add(f.sources, false, sources)
	for class, set := range f.backends {
		p.addSlots(set, groups[class])
	}
	p.add(f.locals, false, a.addrs(f.mine(d.NewLocals), 2))
	for _, c := range d.ChangedGroups {
		if c.New.Key.Family == f.fam {
			f.planGroup(p, a, c)
		}
	}
	f.planPods(p, a, d)
	f.planInside(p, a, d.Frontends)
	f.planFrontends(p, a, d.Frontends)
	p.add(f.addrs, false, a.addrs(f.mine(d.NewAddrs), 1))
	f.planChances(p, a, d)
	p.add(f.addrs, true, a.addrs(f.mine(d.OldAddrs), 1))
	p.add(f.locals, true, a.addrs(f.mine(d.OldLocals), 2))
	sources = nil
	var slots [len(l4proxy.Classes)][]nftables.SetElement
	for _, g := range d.OldGroups {
		if g.Key.Family == f.fam {
			slots[g.Class], sources = a.slots(slots[g.Class], g), a.sources(sources, g)
		}
	}
	for class, set := range f.backends {
		p.add(set, true, keysOnly(slots[class]))
	}
	p.add(f.sources, true, sources)
	return p
}

// planGroup replaces the slots whose backend differs.
func (f *family) planGroup(p *plan, a *arena, c l4proxy.GroupChange) {
	var del, add []nftables.SetElement
	for s := range max(len(c.Old.Slots), len(c.New.Slots)) {
		was, is := s < len(c.Old.Slots), s < len(c.New.Slots)
		if was && is && c.Old.Backends[c.Old.Slots[s]].Addr == c.New.Backends[c.New.Slots[s]].Addr {
			continue
		}
		if was {
			del = append(del, a.slot(c.Old, s))
		}
		if is {
			add = append(add, a.slot(c.New, s))
		}
	}
	set := f.backends[c.New.Class]
	p.unit(op{set: set, del: true, elems: keysOnly(del)}, op{set: set, elems: add})
	// A restricted group has intervals only while it has slots.
	if gone, came := a.sources(nil, c.Old), a.sources(nil, c.New); len(gone) == 0 || len(came) == 0 {
		p.add(f.sources, false, came)
		p.add(f.sources, true, gone)
	}
}

func (f *family) planFrontends(p *plan, a *arena, changes []l4proxy.FrontendChange) {
	var del, add []nftables.SetElement
	flush := func() {
		p.unit(op{set: f.frontends, del: true, elems: keysOnly(del)}, op{set: f.frontends, elems: add})
		del, add = nil, nil
	}
	for _, c := range changes {
		if config.FamilyOf(c.Addr.Addr()) != f.fam {
			continue
		}
		if c.Old.Action != l4proxy.Pass {
			del = append(del, a.frontend(c.Frontend, c.Old))
		}
		if c.New.Action != l4proxy.Pass {
			add = append(add, a.frontend(c.Frontend, c.New))
		}
		if max(len(del), len(add)) == perMessage {
			flush()
		}
	}
	flush()
}

// planInside writes where clients inside the cluster are led. It comes before
// the frontends: until these follow, a client inside is treated as everybody.
func (f *family) planInside(p *plan, a *arena, changes []l4proxy.FrontendChange) {
	var del, add []nftables.SetElement
	flush := func() {
		p.unit(op{set: f.inside.frontends, del: true, elems: keysOnly(del)}, op{set: f.inside.frontends, elems: add})
		del, add = nil, nil
	}
	for _, c := range changes {
		if config.FamilyOf(c.Addr.Addr()) != f.fam {
			continue
		}
		if c.Old.Inside != nil {
			del = append(del, a.insideFrontend(c.Frontend, c.Old.Inside))
		}
		if c.New.Inside != nil {
			add = append(add, a.insideFrontend(c.Frontend, c.New.Inside))
		}
		if max(len(del), len(add)) == perMessage {
			flush()
		}
	}
	flush()
}

// planPods writes which clients are pods of this node.
func (f *family) planPods(p *plan, a *arena, d *l4proxy.Delta) {
	mine := func(list []config.Range) []config.Range {
		return slices.DeleteFunc(slices.Clone(list), func(r config.Range) bool { return config.FamilyOf(r.From) != f.fam })
	}
	p.unit(op{set: f.pods, del: true, elems: a.ranges(mine(d.OldPods))}, op{set: f.pods, elems: a.ranges(mine(d.NewPods))})
}

// keysOnly strips the values, which a deletion does not need.
func keysOnly(elems []nftables.SetElement) []nftables.SetElement {
	for i := range elems {
		elems[i].Val = nil
	}
	return elems
}

func (f *family) mine(addrs []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if config.FamilyOf(a) == f.fam {
			out = append(out, a)
		}
	}
	return out
}
