package balance

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestInTurn(t *testing.T) {
	w := newWorld(t, Spec{Members: members(7)})
	for i, n := range w.counts(old, 700) {
		if n != 100 {
			t.Errorf("%d is picked %d times of 700", i, n)
		}
	}
}

// TestShares: all have about the same, and those who are left when some are passed
// over have, too.
func TestShares(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		for _, n := range []int{1, 2, 3, 10, 100} {
			list := members(n)
			w := newWorld(t, Spec{Policy: p, Members: list})
			part := 0.15
			for i, got := range w.counts(old, 2000*n) {
				if !near(got, 2000, part) {
					t.Errorf("%d of %d: picked %d times, not about 2000", i, n, got)
				}
			}
			down := n / 3
			for _, m := range list[:down] {
				m.Endpoint.Fail(old)
			}
			if p == Hash {
				part = 0.3 // what a member had goes to those after it in the table
			}
			want := 2000 * float64(n) / float64(n-down)
			for i, got := range w.counts(old+1, 2000*n) {
				if i < down && got != 0 || i >= down && !near(got, want, part) {
					t.Errorf("%d of %d, of which %d are down: picked %d times, not about %.0f", i, n, down, got, want)
				}
			}
		}
	})
}

// class is how good a member is by all but load and policy; 0 is best.
func class(m Member, a Ask) int {
	switch up := m.Endpoint.up(a.Now); {
	case m.Endpoint == a.Avoid:
		return 5
	case up && !m.Terminating:
		return 0
	case up:
		return 1
	case !m.Terminating:
		return 3
	}
	return 4
}

// TestNobodyBetterIsLeft: in random pools nobody is picked while there is one of a
// better kind. Of those who are up, idle and stay, it is one who is near.
func TestNobodyBetterIsLeft(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 5000 {
			list := members(1 + r.IntN(6))
			for i := range list {
				list[i].Far, list[i].Terminating = r.IntN(2) == 0, r.IntN(3) == 0
				if r.IntN(3) == 0 {
					list[i].Endpoint.Fail(old)
				}
			}
			a := Ask{Now: old + 1, Random: r.Uint64(), Key: r.Uint64()}
			if r.IntN(2) == 0 {
				a.Avoid = list[r.IntN(len(list))].Endpoint
			}
			got, best := New(Spec{Policy: p, Members: list}, 0).Pick(a), 9
			nearby := false
			for _, m := range list {
				best = min(best, class(m, a))
				nearby = nearby || class(m, a) == 0 && !m.Far
			}
			if got < 0 || class(list[got], a) != best && !(best >= 3 && class(list[got], a) < 5) {
				t.Fatalf("%v, picked %d", list, got)
			}
			if p != Hash && nearby && list[got].Far {
				t.Fatalf("%v, picked %d, which is far", list, got)
			}
		}
	})
}

func TestNobody(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		if i := New(Spec{Policy: p}, 0).Pick(Ask{}); i != -1 {
			t.Errorf("out of nobody %d is picked", i)
		}
	})
}

// TestAllAreDown: then all are asked.
func TestAllAreDown(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		list := members(3)
		for _, m := range list {
			m.Endpoint.Fail(old)
		}
		for i, n := range newWorld(t, Spec{Policy: p, Members: list}).counts(old+1, 300) {
			if n < 50 {
				t.Errorf("%d is picked %d times of 300", i, n)
			}
		}
	})
}

// TestZones: those far help out when those near are busy, and not before.
func TestZones(t *testing.T) {
	for _, p := range []Policy{RoundRobin, LeastLoaded} {
		list := members(4)
		list[2].Far, list[3].Far = true, true
		w := newWorld(t, Spec{Policy: p, Members: list})
		count := func() (far int) {
			got := w.counts(old, 100)
			return got[2] + got[3]
		}
		for range busyFrom - 1 {
			list[0].Endpoint.Begin()
			list[1].Endpoint.Begin()
		}
		if n := count(); n != 0 {
			t.Errorf("%d go far although those near are not busy", n)
		}
		for range 3 {
			list[0].Endpoint.Begin()
			list[1].Endpoint.Begin()
		}
		if n := count(); n != 100 {
			t.Errorf("%d of 100 go far from those who are busy", n)
		}
		for range busyFrom {
			list[2].Endpoint.Begin()
			list[3].Endpoint.Begin()
		}
		if n := count(); n != 0 {
			t.Errorf("%d go far, where as much is to be done", n)
		}
	}
}

// TestTogether: values are shared by many goroutines (for the race detector), and
// nothing is under way at the end.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		list := members(5)
		pool := New(Spec{Policy: p, Members: list, Secret: []byte("x")}, 0)
		var all sync.WaitGroup
		for g := range uint64(4) {
			all.Go(func() {
				r := rand.New(rand.NewPCG(g, g))
				for now := old; now < old+2000*time.Millisecond; now += time.Millisecond {
					i := pool.Pick(Ask{Now: now, Random: r.Uint64(), Key: r.Uint64(), Token: pool.Token(r.IntN(5))})
					e := list[i].Endpoint
					e.Begin()
					if r.IntN(50) == 0 {
						e.Fail(now)
					} else {
						e.Answer(now, time.Duration(r.IntN(1000))*time.Microsecond)
					}
					e.End()
				}
			})
		}
		all.Wait()
		if i := slices.IndexFunc(list, func(m Member) bool { return m.Endpoint.InFlight() != 0 }); i >= 0 {
			t.Errorf("%d has requests that are over", i)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		pool := New(Spec{Policy: p, Members: members(10), Secret: []byte("x")}, 0)
		token := pool.Token(3)
		if n := testing.AllocsPerRun(100, func() {
			e := pool.members[pool.Pick(Ask{Now: old, Key: 5, Token: token})].Endpoint
			e.Begin()
			e.Answer(old, time.Millisecond)
			e.End()
			pool.Pick(Ask{Now: old, Key: 6})
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func BenchmarkPick(b *testing.B) {
	for name, p := range policies {
		b.Run(name, func(b *testing.B) {
			list := members(10)
			pool := New(Spec{Policy: p, Members: list}, 0)
			for i := range 5 { // some have something to do, so that bounds are looked at
				list[i].Endpoint.Begin()
			}
			r, now := rand.New(rand.NewPCG(1, 2)), old
			b.ReportAllocs()
			for b.Loop() {
				now += time.Microsecond
				e := list[pool.Pick(Ask{Now: now, Random: r.Uint64(), Key: r.Uint64()})].Endpoint
				e.Begin()
				e.Answer(now, time.Millisecond)
				e.End()
			}
		})
	}
}
