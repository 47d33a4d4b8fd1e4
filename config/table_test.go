package config

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
)

func content[K comparable, V any](t Table[K, V]) map[K]V { return maps.Collect(t.All()) }

func TestZeroTableIsEmpty(t *testing.T) {
	var tbl Table[Key, int]
	if _, ok := tbl.Get(Key{Name: "a"}); ok || tbl.Len() != 0 || len(content(tbl)) != 0 {
		t.Error("a zero table holds something")
	}
	if next := tbl.Edit().Done(); next.Len() != 0 {
		t.Error("an edit of nothing holds something")
	}
	e := tbl.Edit()
	e.Delete(Key{Name: "a"})
	if e.Done().Len() != 0 {
		t.Error("deleting what is not there changes the size")
	}
}

// Any sequence of edits makes the same as a plain map, and no older table
// changes on the way.
func TestTableAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type version struct {
		table Table[netip.Addr, int]
		want  map[netip.Addr]int
	}
	now := version{want: map[netip.Addr]int{}}
	var past []version
	for step := range 300 {
		next := maps.Clone(now.want)
		e := now.table.Edit()
		for range r.IntN(30) {
			k := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))})
			if r.IntN(3) == 0 {
				e.Delete(k)
				delete(next, k)
			} else {
				e.Set(k, step)
				next[k] = step
			}
		}
		past = append(past, now)
		now = version{e.Done(), next}
	}
	for i, v := range append(past, now) {
		if got := content(v.table); !reflect.DeepEqual(got, v.want) || v.table.Len() != len(v.want) {
			t.Fatalf("version %d: %d entries, size %d, want %d", i, len(got), v.table.Len(), len(v.want))
		}
		for k, want := range v.want {
			if got, ok := v.table.Get(k); !ok || got != want {
				t.Fatalf("version %d: %v is %d, %v", i, k, got, ok)
			}
		}
	}
}

func TestTableOfAndStoppingARange(t *testing.T) {
	m := map[string]int{"a": 1, "b": 2, "c": 3}
	tbl := TableOf(m)
	if !maps.Equal(content(tbl), m) {
		t.Errorf("table %v, want %v", content(tbl), m)
	}
	seen := 0
	for range tbl.All() {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("ranged over %d entries", seen)
	}
}

// One change copies one shard, not the table.
func BenchmarkTableOneOf10000(b *testing.B) {
	m := map[Key]*Service{}
	for i := range 10000 {
		k := Key{Namespace: "default", Name: fmt.Sprintf("svc-%d", i)}
		m[k] = &Service{Key: k}
	}
	tbl := TableOf(m)
	k := Key{Namespace: "default", Name: "svc-4711"}
	b.ReportAllocs()
	for b.Loop() {
		e := tbl.Edit()
		e.Set(k, &Service{Key: k})
		tbl = e.Done()
	}
	if tbl.Len() != 10000 {
		b.Fatal(tbl.Len())
	}
}

// What differs between two tables is what differs between two maps, whether or
// not one was made from the other.
func TestDiffering(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a := map[netip.Addr]int{}
		for range r.IntN(600) {
			a[netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))})] = r.IntN(3)
		}
		old := TableOf(a)
		b, e := maps.Clone(a), old.Edit()
		for range r.IntN(20) {
			k, v := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(5)), byte(r.IntN(256))}), r.IntN(3)
			if r.IntN(3) == 0 {
				delete(b, k)
				e.Delete(k)
			} else {
				b[k] = v
				e.Set(k, v)
			}
		}
		want := map[netip.Addr]bool{}
		for _, m := range []map[netip.Addr]int{a, b} {
			for k := range m {
				va, ina := a[k]
				if vb, inb := b[k]; ina != inb || va != vb {
					want[k] = true
				}
			}
		}
		for _, next := range []Table[netip.Addr, int]{e.Done(), TableOf(b)} {
			got, times := map[netip.Addr]bool{}, 0
			for k := range Differing(old, next) {
				got[k] = true
				times++
			}
			if !maps.Equal(got, want) || times != len(want) || Same(old, next) != (len(want) == 0) {
				t.Fatalf("got %v (%d), want %v", got, times, want)
			}
			for range Differing(next, old) {
				break // must be possible at any time
			}
		}
	}
	if !Same(Table[netip.Addr, int]{}, TableOf(map[netip.Addr]int{})) {
		t.Error("two empty tables differ")
	}
}
