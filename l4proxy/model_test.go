package l4proxy

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// model is a data plane that does what a Delta says, and complains about what
// a kernel would not do.
type model struct {
	frontends map[Frontend][2]uint64 // group, group for clients inside
	groups    map[uint64]*Group
	addrs     map[netip.Addr]bool
	locals    map[netip.Addr]bool
	hops      map[netip.Addr]Hop
	nodes     map[MAC]bool
	pods      map[config.Range]bool
}

func newModel() *model {
	return &model{map[Frontend][2]uint64{}, map[uint64]*Group{}, map[netip.Addr]bool{}, map[netip.Addr]bool{},
		map[netip.Addr]Hop{}, map[MAC]bool{}, map[config.Range]bool{}}
}

func (m *model) apply(t *testing.T, d Delta) {
	t.Helper()
	for _, g := range d.NewGroups {
		if m.groups[g.ID] != nil {
			t.Fatalf("group %v added twice", g.Key)
		}
		m.groups[g.ID] = g
	}
	for _, c := range d.ChangedGroups {
		if m.groups[c.New.ID] != c.Old {
			t.Fatalf("group %v changed from what it is not", c.New.Key)
		}
		m.groups[c.New.ID] = c.New
	}
	for _, c := range d.Frontends {
		if id, ok := m.frontends[c.Frontend]; ok != (c.Old.Action != Pass) || id != [2]uint64{c.Old.id(), c.Old.insideID()} {
			t.Fatalf("frontend %v changed from what it is not", c.Frontend)
		}
		if c.New.Action == Pass {
			delete(m.frontends, c.Frontend)
		} else {
			m.frontends[c.Frontend] = [2]uint64{c.New.id(), c.New.insideID()}
		}
	}
	for _, g := range d.OldGroups {
		if m.groups[g.ID] != g {
			t.Fatalf("group %v removed that is not there", g.Key)
		}
		delete(m.groups, g.ID)
	}
	for f, id := range m.frontends {
		if m.groups[id[0]] == nil || id[1] != 0 && m.groups[id[1]] == nil {
			t.Fatalf("frontend %v leads to a group that is gone", f)
		}
	}
	toggle(t, m.addrs, d.NewAddrs, d.OldAddrs)
	toggle(t, m.locals, d.NewLocals, d.OldLocals)
	toggle(t, m.pods, nil, d.OldPods)
	toggle(t, m.pods, d.NewPods, nil)
	m.applyChances(t, d)
}

func (m *model) applyChances(t *testing.T, d Delta) {
	t.Helper()
	toggle(t, m.nodes, d.NewNodes, nil)
	for _, c := range d.Hops {
		if m.hops[c.Addr] != c.Old || c.Old == c.New {
			t.Fatalf("second chance of %v changed from %v to %v, and was %v", c.Addr, c.Old, c.New, m.hops[c.Addr])
		}
		if m.hops[c.Addr] = c.New; c.New == (Hop{}) {
			delete(m.hops, c.Addr)
		}
	}
	toggle(t, m.nodes, nil, d.OldNodes)
}

func toggle[K comparable](t *testing.T, set map[K]bool, added, gone []K) {
	t.Helper()
	for _, a := range added {
		if set[a] {
			t.Fatalf("%v added twice", a)
		}
		set[a] = true
	}
	for _, a := range gone {
		if !set[a] {
			t.Fatalf("%v removed that is not there", a)
		}
		delete(set, a)
	}
}

func (m *model) check(t *testing.T, want Table) {
	t.Helper()
	n := 0
	for f, target := range want.Frontends() {
		n++
		if want := [2]uint64{target.id(), target.insideID()}; m.frontends[f] != want {
			t.Fatalf("%v: leads to %x, want %x", f, m.frontends[f], want)
		}
		if g := m.groups[target.insideID()]; !reflect.DeepEqual(g, target.Inside) {
			t.Fatalf("%v: group for clients inside is %+v, want %+v", f, g, target.Inside)
		}
		if g := m.groups[target.id()]; !reflect.DeepEqual(g, target.Group) {
			t.Fatalf("%v: group is %+v, want %+v", f, g, target.Group)
		}
	}
	groups := 0
	for range want.Groups() {
		groups++
	}
	if n != len(m.frontends) || groups != len(m.groups) || len(slices.Collect(want.Addrs())) != len(m.addrs) ||
		len(slices.Collect(want.Locals())) != len(m.locals) {
		t.Fatalf("left-overs: %d frontends, %d groups, %d addresses, %d locals", len(m.frontends)-n, len(m.groups)-groups, len(m.addrs), len(m.locals))
	}
	pods := slices.SortedFunc(maps.Keys(m.pods), func(a, b config.Range) int { return a.From.Compare(b.From) })
	if !slices.Equal(pods, want.Pods()) {
		t.Fatalf("pods are %v, want %v", pods, want.Pods())
	}
	nodes := slices.SortedFunc(maps.Keys(m.nodes), MAC.Compare)
	if is := (Chances{m.hops, nodes}); !is.Equal(want.Chances()) {
		t.Fatalf("second chances are %+v, want %+v", is, want.Chances())
	}
}
