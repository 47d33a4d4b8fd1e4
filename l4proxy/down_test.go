package l4proxy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func downOf(svc config.Key, addrs ...string) Down {
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.AddrPortFrom(netip.MustParseAddr(a), 8080))
	}
	return config.TableOf(map[config.Key]*Sick{svc: NewSick(list)})
}

// Each case is endpoints, those of them that are down, and where clients go.
func TestDownBackends(t *testing.T) {
	web := config.Key{Namespace: "default", Name: "web"}
	for _, c := range []struct {
		name, endpoints string
		down            []string
		want            string
	}{
		{"one of two", "10.1.0.1 10.1.0.2", []string{"10.1.0.1"}, "10.1.0.2"},
		{"all: all are used", "10.1.0.1 10.1.0.2", []string{"10.1.0.1", "10.1.0.2"}, "10.1.0.1 10.1.0.2"},
		{"none", "10.1.0.1 10.1.0.2", nil, "10.1.0.1 10.1.0.2"},
		{"one that is none of the Service's", "10.1.0.1 10.1.0.2", []string{"10.1.0.9"}, "10.1.0.1 10.1.0.2"},
		{"well and terminating before down", "10.1.0.1 10.1.0.2@n1~", []string{"10.1.0.1"}, "10.1.0.2"},
		{"down before dead", "10.1.0.1@n1 10.1.0.2@n3", []string{"10.1.0.1"}, "10.1.0.1"},
		{"not ready is not used for being well", "10.1.0.1@n1 10.1.0.2@n1!", []string{"10.1.0.1"}, "10.1.0.1"},
	} {
		table := Build(cluster(&config.Service{}, c.endpoints), Options{Node: "n0", Dead: map[string]bool{"n3": true}, Down: downOf(web, c.down...)})
		var got string
		for i, b := range table.Target(Frontend{netip.MustParseAddrPort("198.51.100.1:80"), config.TCP}).Group.Backends {
			if i > 0 {
				got += " "
			}
			got += b.Addr.Addr().String()
		}
		if got != c.want {
			t.Errorf("%s: backends %q, want %q", c.name, got, c.want)
		}
	}
}

// A backend that goes down and comes up again changes its Service only, and in
// a table of the same snapshot.
func TestDownTouchesItsServiceOnly(t *testing.T) {
	w := newWorld(1)
	for range 100 {
		w.step()
	}
	snap := w.snapshot()
	w.o.Down, w.o.Dead = Down{}, nil
	table := Build(snap, w.o)
	var key config.Key
	for _, g := range slices.Collect(table.Groups()) {
		if len(g.Backends) > 1 {
			key = g.Key.Service
			o := w.o
			o.Down = config.TableOf(map[config.Key]*Sick{key: NewSick([]netip.AddrPort{g.Backends[0].Addr})})
			next := Update(table, snap, o)
			checkSame(t, next, Build(snap, o))
			if !slices.Equal(next.touched, []config.Key{key}) {
				t.Errorf("touched %v, want %v", next.touched, key)
			}
			d := Diff(table, next)
			if d.Empty() {
				t.Errorf("%v: nothing to write", g.Key)
			}
			checkSame(t, Update(next, snap, w.o), table)
		}
	}
	if key == (config.Key{}) {
		t.Fatal("no group of two backends in this world")
	}
}
