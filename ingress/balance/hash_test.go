package balance

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// where are the addresses that keys lead to.
func where(list []Member, keys int) []netip.AddrPort {
	pool := New(Spec{Policy: Hash, Members: list}, 0)
	out := make([]netip.AddrPort, keys)
	for k := range out {
		out[k] = list[pool.Pick(Ask{Now: old, Key: uint64(k)})].Endpoint.addr
	}
	return out
}

// TestKeysStay: when one of n comes or goes, the keys that it has or had move, and
// few others; in whatever order they are.
func TestKeysStay(t *testing.T) {
	const keys = 20_000
	for _, n := range []int{2, 3, 5, 10, 50, 500} {
		all := members(n)
		less := slices.Delete(slices.Clone(all), n/2, n/2+1)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(less), func(i, j int) { less[i], less[j] = less[j], less[i] })
		gone := all[n/2].Endpoint.addr
		before, after := where(all, keys), where(less, keys)
		needless := 0
		for k := range before {
			if before[k] != after[k] && before[k] != gone {
				needless++
			}
		}
		if part := float64(needless) / keys; part > 0.05 {
			t.Errorf("one of %d goes: %.1f %% of the keys move needlessly", n, 100*part)
		}
	}
}

// TestKeysReturn to one that was passed over.
func TestKeysReturn(t *testing.T) {
	list := members(5)
	pool := New(Spec{Policy: Hash, Members: list}, 0)
	for key := range uint64(100) {
		first := pool.Pick(Ask{Now: old, Key: key})
		avoid := Ask{Now: old, Key: key, Avoid: list[first].Endpoint}
		second := pool.Pick(avoid)
		if second == first || pool.Pick(avoid) != second || pool.Pick(Ask{Now: old, Key: key}) != first {
			t.Errorf("key %d: %d, then %d, then others", key, first, second)
		}
	}
}

// TestBounded: nobody has much more to do than the others, even if all ask with the
// same key.
func TestBounded(t *testing.T) {
	for _, n := range []int{2, 5, 16, 100} {
		for _, keys := range []uint64{1, 3, 1 << 60} {
			list := members(n)
			pool := New(Spec{Policy: Hash, Members: list}, 0)
			r := rand.New(rand.NewPCG(1, 2))
			for range 40 * n {
				list[pool.Pick(Ask{Now: old, Key: r.Uint64N(keys)})].Endpoint.Begin()
			}
			most := 0
			for _, m := range list {
				most = max(most, m.Endpoint.InFlight())
			}
			limit := 40*bound + 2
			if n > sample {
				limit *= 1.3 // the mean is that of some
			}
			if float64(most) > limit {
				t.Errorf("%d members, %d keys: %d at one, where the mean is 40", n, keys, most)
			}
		}
	}
}

// TestBoundedByThoseWhoAreUp: if most are passed over, the others have the more to do.
func TestBoundedByThoseWhoAreUp(t *testing.T) {
	list := members(10)
	for _, m := range list[2:] {
		m.Endpoint.Fail(old)
	}
	pool := New(Spec{Policy: Hash, Members: list}, 0)
	for range 100 {
		list[pool.Pick(Ask{Now: old + 1, Key: 1})].Endpoint.Begin()
	}
	if a, b := list[0].Endpoint.InFlight(), list[1].Endpoint.InFlight(); a+b != 100 || max(a, b) > 65 {
		t.Errorf("%d and %d", a, b)
	}
}
