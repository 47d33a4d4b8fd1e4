package check

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

var begin = time.Unix(1_800_000_000, 0)

func target(i int) Target {
	return Target{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80),
		config.HealthCheck{Kind: config.CheckTCP, Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3}}
}

func assign(from, to int) (out []Assignment) {
	for i := from; i < to; i++ {
		out = append(out, Assignment{Target: target(i), ID: target(i).ID()})
	}
	return out
}

// play runs an agenda on a clock of its own: takes says how long a check of a
// target takes, and hangs if that is its timeout. It returns when each began.
func play(a *Agenda, last time.Duration, takes func(Target) time.Duration) map[Target][]time.Duration {
	type open struct {
		Check
		end time.Duration
	}
	began, running := map[Target][]time.Duration{}, []open{}
	for now := time.Duration(0); now <= last; now += time.Millisecond {
		left := running[:0]
		for _, o := range running {
			if o.end > now {
				left = append(left, o)
				continue
			}
			r := Result{ID: o.ID()}
			if takes(o.Target) >= o.Check.Target.Check.Timeout {
				r.Why, r.Hung = "no answer", true
			}
			a.End(o.Check, r)
		}
		running = left
		list, _ := a.Begin(begin.Add(now))
		for _, c := range list {
			began[c.Target] = append(began[c.Target], now)
			running = append(running, open{c, now + min(takes(c.Target), c.Target.Check.Timeout)})
		}
	}
	return began
}

// Each target is checked at its interval, and not all at once.
func TestAgendaSpreads(t *testing.T) {
	a := NewAgenda(1, 1000)
	a.Apply(assign(0, 200), begin)
	began := play(a, 20*time.Second, func(Target) time.Duration { return time.Millisecond })
	perTenth := map[int]int{}
	for i := range 200 {
		times := began[target(i)]
		if len(times) < 9 || len(times) > 11 || times[0] >= firstWithin {
			t.Fatalf("target %d was checked at %v", i, times)
		}
		for k, at := range times {
			perTenth[int(at/(100*time.Millisecond))]++
			if k > 0 && (at-times[k-1] < 1900*time.Millisecond || at-times[k-1] > 2101*time.Millisecond) {
				t.Errorf("target %d: %v from one check to the next", i, at-times[k-1])
			}
		}
	}
	for tenth, n := range perTenth {
		if n > 40 { // 10 on average
			t.Errorf("%d of 200 checks begin within one tenth of a second, the %d.", n, tenth)
		}
	}
}

// However many targets hang, the others are checked in time.
func TestHangingTargetsHoldUpNoOther(t *testing.T) {
	a := NewAgenda(2, 20)
	a.Apply(assign(0, 200), begin)
	play(a, 30*time.Second, func(t Target) time.Duration {
		if t.Addr.Addr().As4()[3] >= 10 {
			return time.Hour
		}
		return time.Millisecond
	}) // until it is known who hangs
	a.Apply(append(assign(0, 200), assign(300, 310)...), begin.Add(30*time.Second))
	most := 0
	began := map[Target]int{}
	for now := 30 * time.Second; now < 50*time.Second; now += 10 * time.Millisecond {
		list, _ := a.Begin(begin.Add(now)) // those that hang never end
		for _, c := range list {
			began[c.Target]++
			if c.job.lane == 0 {
				a.End(c, Result{ID: c.ID()})
			}
		}
		most = max(most, a.running[0]+a.running[1])
	}
	for i := range 10 {
		for _, well := range []int{i, 300 + i} {
			if n := began[target(well)]; n < 8 {
				t.Errorf("target %d, which answers, was checked %d times in 20 s", well, n)
			}
		}
	}
	if most > 20 {
		t.Errorf("%d checks at once, in 20 slots", most)
	}
}

// A target that is dropped while its check runs has no verdict, and one that is
// checked on keeps its tally.
func TestAgendaFollowsAssignments(t *testing.T) {
	a := NewAgenda(3, 10)
	a.Apply(assign(0, 2), begin)
	list, _ := a.Begin(begin.Add(firstWithin))
	if len(list) != 2 {
		t.Fatalf("%d checks begin, want 2", len(list))
	}
	a.Apply(assign(1, 3), begin.Add(firstWithin))
	for _, c := range list {
		v, news := a.End(c, Result{ID: c.ID(), Why: "refused"})
		if kept := c.Target == target(1); news != kept || kept && (!v.Down || v.Why != "refused" || v.ID != c.ID()) {
			t.Errorf("%v: verdict %+v, news %t", c.Addr, v, news)
		}
	}
	a.Apply(assign(1, 2), begin.Add(firstWithin))
	got := ""
	for k := range 3 {
		list, next := a.Begin(begin.Add(time.Duration(k+2) * 2200 * time.Millisecond))
		for _, c := range list {
			v, news := a.End(c, Result{ID: c.ID()})
			got += fmt.Sprint(v.Down, news, " ")
		}
		if len(list) == 0 {
			t.Fatalf("nothing to check, next is %v", next)
		}
	}
	if want := "true false false true false false "; got != want {
		t.Errorf("verdicts %q, want %q", got, want)
	}
}
