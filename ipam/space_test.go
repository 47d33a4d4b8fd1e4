package ipam

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// slowSpace is the obvious twin of space: a set, scanned.
type slowSpace map[wide]bool

func (s slowSpace) free(from, to wide, avoid bool) (wide, bool) {
	for a := from; !to.less(a); a = a.plus(wide{lo: 1}) {
		if !s[a] && !(avoid && buggy(a)) {
			return a, true
		}
		if a == to {
			break
		}
	}
	return wide{}, false
}

func (s slowSpace) count(from, to wide) (n int64) {
	for a := range s {
		if !a.less(from) && !to.less(a) {
			n++
		}
	}
	return n
}

// next tells whether there is a number at or after from, and that got is the
// lowest of them.
func (s slowSpace) next(from wide, got *wide) bool {
	ok := false
	for a := range s {
		if !a.less(from) {
			if ok = true; a.less(*got) {
				return false
			}
		}
	}
	return ok && s[*got] && !got.less(from)
}

func entryNamed(name string) *Entry {
	return &Entry{Service: &config.Service{Key: config.Key{Namespace: "t", Name: name}}}
}

func TestSpaceAgainstTwin(t *testing.T) {
	bases := map[string]struct {
		v4   bool
		base wide
	}{
		"10.0.0.0":    {true, wideOf(netip.MustParseAddr("10.0.0.0"))},
		"high v4":     {true, wideOf(netip.MustParseAddr("255.255.240.0"))},
		"2001:db8::":  {false, wideOf(netip.MustParseAddr("2001:db8::"))},
		"low v6":      {false, wide{}},
		"carry in v6": {false, wide{lo: ^uint64(0) - 100}},
		"top of v6":   {false, wide{^uint64(0), ^uint64(0) - 4095}},
	}
	for name, c := range bases {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(6) {
				compareSpaces(t, rand.New(rand.NewPCG(seed, 7)), space[tenants]{v4: c.v4}, c.base)
			}
		})
	}
}

func compareSpaces(t *testing.T, rnd *rand.Rand, s space[tenants], base wide) {
	t.Helper()
	twin := slowSpace{}
	at := func() wide { return base.plus(wide{lo: rnd.Uint64N([]uint64{70, 300, 4096}[rnd.IntN(3)])}) }
	who := entryNamed("a")
	e := new(edit)
	for step := range 3000 {
		if step%7 == 0 {
			e = new(edit)
		}
		before, a := s, at()
		had := twin[a]
		if rnd.IntN(5) < 3 {
			s = s.with(e, a, tenants{first: who})
			twin[a] = true
		} else {
			s = s.without(e, a)
			delete(twin, a)
		}
		if _, got := s.get(a); got != twin[a] {
			t.Fatalf("step %d: get(%v) = %v", step, a, got)
		}
		if _, has := before.get(a); step%7 == 0 && has != had {
			t.Fatalf("step %d: the space before changed", step)
		}
		from, to := at(), at()
		avoid := s.v4 && rnd.IntN(2) == 0
		got, ok := s.free(from, to, avoid)
		want, wantOK := twin.free(from, to, avoid)
		if ok != wantOK || ok && got != want {
			t.Fatalf("step %d: free(%v, %v, %v) = %v %v, the plain version says %v %v", step, from, to, avoid, got, ok, want, wantOK)
		}
		if got, _, ok := s.next(from); ok != twin.next(from, &got) {
			t.Fatalf("step %d: next(%v) = %v %v, the plain version says otherwise", step, from, got, ok)
		}
		if got, want := s.count(from, to), twin.count(from, to); got != want {
			t.Fatalf("step %d: count(%v, %v) = %d, the plain version says %d", step, from, to, got, want)
		}
	}
}

func TestSpaceKeepsOldVersions(t *testing.T) {
	var s space[tenants]
	var versions []space[tenants]
	for i := range uint64(500) {
		versions = append(versions, s)
		s = s.with(new(edit), wide{lo: i * 37}, tenants{first: entryNamed("a")})
	}
	for i, v := range versions {
		if got := v.count(wide{}, wide{lo: 1 << 20}); got != int64(i) {
			t.Errorf("version %d holds %d addresses", i, got)
		}
	}
}

func TestSpaceShrinksToNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s space[tenants]
	e := new(edit)
	var all []wide
	for range 2000 {
		a := wide{rnd.Uint64(), rnd.Uint64()}
		all = append(all, a)
		s = s.with(e, a, tenants{first: entryNamed("a")})
	}
	if got := s.count(wide{}, wide{^uint64(0), ^uint64(0)}); got != 2000 {
		t.Fatalf("count = %d, want 2000", got)
	}
	for _, a := range all {
		s = s.without(e, a)
	}
	if s.root != nil {
		t.Errorf("an empty space still has a node covering %v", s.root.base)
	}
}

func size(t tenants) (n int) {
	for range t.all() {
		n++
	}
	return n
}

func TestTenantsOfOneAddress(t *testing.T) {
	a, b, c := entryNamed("a"), entryNamed("b"), entryNamed("c")
	all := tenants{}.add(a).add(b).add(c)
	if got := size(all); got != 3 {
		t.Fatalf("%d tenants, want 3", got)
	}
	left := all.without(b)
	for e := range left.all() {
		if e == b {
			t.Error("b is still there")
		}
	}
	if got := size(left); got != 2 {
		t.Errorf("%d tenants left, want 2", got)
	}
	if got := left.without(a).without(c); got.first != nil {
		t.Errorf("tenants left: %v", got.first)
	}
}

func TestCapacity4(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     int64
	}{
		{"192.0.2.0", "192.0.2.255", 254},
		{"192.0.2.1", "192.0.2.254", 254},
		{"192.0.2.255", "192.0.3.0", 0},
		{"192.0.2.0", "192.0.2.0", 0},
		{"10.0.0.0", "10.255.255.255", 1<<24 - 2<<16},
	} {
		from, to := wideOf(netip.MustParseAddr(c.from)), wideOf(netip.MustParseAddr(c.to))
		if got := capacity4(from, to, true); got != c.want {
			t.Errorf("%s-%s: %d usable, want %d", c.from, c.to, got, c.want)
		}
	}
}
