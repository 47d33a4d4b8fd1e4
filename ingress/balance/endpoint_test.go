package balance

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestPassedOver: longer after each failure, until it answers what was asked since.
func TestPassedOver(t *testing.T) {
	e := NewEndpoint(address(1), 0)
	now := old
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60} {
		e.Fail(now)
		e.Fail(now + 1) // with it
		till := now + want*time.Second
		if e.up(till-1) || !e.up(till) {
			t.Fatalf("not passed over for just %d s", want)
		}
		now = till
	}
	e.Answer(now+time.Second, 70*time.Second) // begun before the last failure
	if e.Fail(now + 2*time.Second); e.up(now + 61*time.Second) {
		t.Error("an answer to an old question makes up for failures")
	}
	now += 3 * time.Second
	e.Answer(now, time.Millisecond) // asked although it is passed over
	if !e.up(now) {
		t.Error("it answers, and is passed over")
	}
	if e.Fail(now); e.up(now+2*time.Second-1) || !e.up(now+2*time.Second) {
		t.Error("failures are not forgotten")
	}
}

// TestShareGrows, of one that is new and of one that comes back, beside three that
// are old.
func TestShareGrows(t *testing.T) {
	for _, back := range []bool{false, true} {
		each(t, func(t *testing.T, p Policy) {
			list := members(4)
			since := old
			if back {
				list[3].Endpoint.Fail(old)
				since += shortest
			} else {
				list[3].Endpoint = NewEndpoint(address(3), old)
			}
			w := newWorld(t, Spec{Policy: p, Members: list})
			var shares []int
			for age := time.Duration(0); age <= rampFor; age += rampFor / 4 {
				shares = append(shares, w.counts(since+age, 8000)[3])
			}
			if first, last := shares[0], shares[len(shares)-1]; !slices.IsSorted(shares) || first == 0 || first > 500 || !near(last, 2000, 0.15) {
				t.Errorf("of 8000: %v", shares)
			}
		})
	}
}

// TestAllAreNew: then nobody is held back, and those who take turns do.
func TestAllAreNew(t *testing.T) {
	each(t, func(t *testing.T, p Policy) {
		for i, n := range newWorld(t, Spec{Policy: p, Members: members(4)}).counts(0, 4000) {
			if !near(n, 1000, 0.15) || p == RoundRobin && n != 1000 {
				t.Errorf("%d is picked %d times of 4000", i, n)
			}
		}
	})
}

// TestSomeAreNew: those who are new have as much as each other, and so have those who
// are old; also when only new ones are left.
func TestSomeAreNew(t *testing.T) {
	const now = old + rampFor/5
	each(t, func(t *testing.T, p Policy) {
		list := members(8)
		for i := range list[:4] {
			list[i].Endpoint = NewEndpoint(address(i), old)
		}
		w := newWorld(t, Spec{Policy: p, Members: list})
		part := 0.15
		if p == Hash {
			part = 0.4 // what is not given to new ones goes to those after them in the table
		}
		even := func(counts []int) {
			t.Helper()
			sum := 0
			for _, n := range counts {
				sum += n
			}
			for _, n := range counts {
				if !near(n, float64(sum)/float64(len(counts)), part) {
					t.Errorf("%v", counts)
					return
				}
			}
		}
		got := w.counts(now, 40_000)
		even(got[:4])
		even(got[4:])
		for _, m := range list[4:] {
			m.Endpoint.Fail(now - 1)
		}
		even(w.counts(now, 40_000)[:4])
	})
}

// TestNewOnesKeepTheirKeys: a key that was led to one goes on being.
func TestNewOnesKeepTheirKeys(t *testing.T) {
	list := members(3)
	list[1].Endpoint = NewEndpoint(address(1), old)
	w := newWorld(t, Spec{Policy: Hash, Members: list})
	for key := range uint64(2000) {
		newcomer := false
		for now := old; now <= old+rampFor; now += rampFor / 4 {
			a := w.ask(now)
			a.Key = key
			switch i := w.Pick(a); {
			case i == 1:
				newcomer = true
			case newcomer:
				t.Fatalf("key %d leaves the new one after %v", key, now-old)
			}
		}
	}
}

func TestFade(t *testing.T) {
	last := 1.0
	for age := time.Duration(0); age < 100*halfLife; age += halfLife / 16 {
		got := fade(age)
		if want := math.Exp2(-float64(age) / float64(halfLife)); got > last || math.Abs(got-want) > 0.07*want+1e-18 {
			t.Fatalf("after %v: %v, and before %v; want about %v", age, got, last, want)
		}
		last = got
	}
	if fade(-1) != 1 {
		t.Error("what is yet to come fades")
	}
}

// flight is a request under way in a simulation.
type flight struct {
	end time.Duration
	at  *Endpoint
}

// simulate has so many clients ask one after the other, and tells how many requests
// each endpoint got, how long one took on average, and the longest time that an
// endpoint was not asked.
func simulate(t *testing.T, p Policy, latencies []time.Duration, clients int, length time.Duration) (asked []int, mean, unasked time.Duration) {
	list := members(len(latencies))
	w := newWorld(t, Spec{Policy: p, Members: list})
	var flights []flight
	last := make([]time.Duration, len(list))
	asked = make([]int, len(list))
	for i := range last {
		last[i] = old
	}
	var sum time.Duration
	begin := func(now time.Duration) {
		i := w.Pick(w.ask(now))
		unasked = max(unasked, now-last[i])
		last[i] = now
		asked[i]++
		took := latencies[i] * time.Duration(1+list[i].Endpoint.InFlight()) // it has one processor
		sum += took
		list[i].Endpoint.Begin()
		flights = append(flights, flight{now + took, list[i].Endpoint})
	}
	for range clients {
		begin(old)
	}
	for now := old; now < old+length; {
		first := 0
		for i := range flights {
			if flights[i].end < flights[first].end {
				first = i
			}
		}
		f := flights[first]
		flights[first] = flights[len(flights)-1]
		flights = flights[:len(flights)-1]
		now = f.end
		f.at.Answer(now, latencies[slices.IndexFunc(list, func(m Member) bool { return m.Endpoint == f.at })])
		f.at.End()
		begin(now)
	}
	total := 0
	for i := range asked {
		total += asked[i]
		unasked = max(unasked, old+length-last[i])
	}
	return asked, sum / time.Duration(total), unasked
}

// TestSlowOnesGetLess, and everybody has his answer sooner than in turn.
func TestSlowOnesGetLess(t *testing.T) {
	latencies := []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, 20 * time.Millisecond}
	_, inTurn, _ := simulate(t, RoundRobin, latencies, 20, 20*time.Second)
	asked, mean, _ := simulate(t, LeastLoaded, latencies, 20, 20*time.Second)
	if total := asked[0] + asked[1] + asked[2] + asked[3]; asked[3] > total/8 || 2*mean > inTurn {
		t.Errorf("asked %v, %v on average, in turn %v", asked, mean, inTurn)
	}
}

// TestNobodyStarves, however slow it was.
func TestNobodyStarves(t *testing.T) {
	latencies := []time.Duration{time.Millisecond, time.Millisecond, 100 * time.Millisecond, 5 * time.Second}
	asked, _, unasked := simulate(t, LeastLoaded, latencies, 4, 5*time.Minute)
	if unasked > 80*time.Second || slices.Min(asked) < 4 {
		t.Errorf("asked %v, one of them not for %v", asked, unasked)
	}
}

// TestPeaks count at once, what is better bit by bit.
func TestPeaks(t *testing.T) {
	e := NewEndpoint(address(1), 0)
	if e.expects(old) != 0 {
		t.Error("something is known of one that was never asked")
	}
	e.Answer(old, time.Millisecond)
	e.Answer(old, time.Second)
	if got := time.Duration(e.expects(old)); got != time.Second {
		t.Errorf("after a peak of 1 s: %v", got)
	}
	e.Answer(old+halfLife, time.Millisecond)
	if got := time.Duration(e.expects(old + halfLife)); got < 400*time.Millisecond || got > 600*time.Millisecond {
		t.Errorf("a half-life later: %v", got)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for now := old + halfLife; now < old+30*halfLife; now += 10 * time.Millisecond {
		e.Answer(now, time.Millisecond+time.Duration(r.IntN(10)))
	}
	if got := time.Duration(e.expects(old + 30*halfLife)); got > 2*time.Millisecond {
		t.Errorf("long after that: %v", got)
	}
}
