package config

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

func TestTidySortsAndLetsEveryKeyBeThereOnce(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.2.10")
	c := Changes{
		Services:  []Key{{"b", "x"}, {"a", "y"}, {"b", "x"}, {"a", "x"}},
		Nodes:     []string{"n2", "n1", "n2"},
		Claims:    []netip.Addr{b, a, b},
		Ingresses: []Key{{"a", "i"}, {"a", "i"}},
		Config:    true,
	}
	Tidy(&c)
	want := Changes{
		Services:  []Key{{"a", "x"}, {"a", "y"}, {"b", "x"}},
		Nodes:     []string{"n1", "n2"},
		Claims:    []netip.Addr{a, b},
		Ingresses: []Key{{"a", "i"}},
		Config:    true,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("tidied: %+v", c)
	}
	c.All = true
	if Tidy(&c); !reflect.DeepEqual(c, Changes{All: true}) {
		t.Errorf("all, and more: %+v", c)
	}
}

func TestMergeSnapshots(t *testing.T) {
	pools := []*Pool{{Name: "lan"}}
	old := &Snapshot{Revision: 4, Changed: Changes{Services: []Key{{"a", "x"}}, Config: true}}
	next := &Snapshot{Revision: 5, Pools: pools, Changed: Changes{Services: []Key{{"a", "x"}}, Nodes: []string{"n1"}}}
	got := MergeSnapshots(old, next)
	want := Changes{Services: []Key{{"a", "x"}}, Nodes: []string{"n1"}, Config: true}
	if got.Revision != 5 || got.Pools[0] != pools[0] || !reflect.DeepEqual(got.Changed, want) {
		t.Errorf("merged: %+v", got)
	}
	if len(old.Changed.Services) != 1 || len(next.Changed.Nodes) != 1 || next.Changed.Config {
		t.Errorf("merging changed what was merged: %+v, %+v", old.Changed, next.Changed)
	}
	if all := MergeSnapshots(&Snapshot{Changed: Changes{All: true}}, next); !reflect.DeepEqual(all.Changed, Changes{All: true}) {
		t.Errorf("after all changed: %+v", all.Changed)
	}
}

// A reader that sleeps through any number of snapshots hears of every key that
// one of them listed, once, however they were merged on the way.
func TestNothingIsLostByMerging(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		want := map[Key]bool{}
		var merged *Snapshot
		for rev := range uint64(1 + r.IntN(8)) {
			snap := &Snapshot{Revision: rev}
			for range r.IntN(6) {
				k := Key{string(rune('a' + r.IntN(3))), string(rune('p' + r.IntN(4)))}
				snap.Changed.Services = append(snap.Changed.Services, k)
				want[k] = true
			}
			if merged == nil {
				Tidy(&snap.Changed)
				merged = snap
			} else {
				merged = MergeSnapshots(merged, snap)
			}
		}
		got := merged.Changed.Services
		if len(got) != len(want) || !slices.IsSortedFunc(got, Key.Compare) || slices.ContainsFunc(got, func(k Key) bool { return !want[k] }) {
			t.Fatalf("merged %v, want %v", got, want)
		}
	}
}
