package ipam

import (
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

const minute = time.Minute

func TestCoolDown(t *testing.T) {
	cool := alter(tiny, remembers(5*minute, 0))
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{cool}, a)
	h.expectMemory("198.51.100.1", "Bound a from tiny")
	h.remove(a)
	h.expectMemory("198.51.100.1", "Released a from tiny, retained to 0, free at 5")
	if want := noon.Add(5 * minute); !h.l.Due().Equal(want) {
		t.Errorf("due at %v, want %v", h.l.Due(), want)
	}
	h.change(b)
	h.expect(b, "PoolExhausted")
	h.expectText(b, "0 of 1 IPv4 addresses are free", "1 rest in cool-down", "2026-01-01T12:05:00Z")
	asking := but(b, asks("198.51.100.1"))
	h.change(asking)
	h.expect(b, "AddressInUse")
	h.expectText(b, "rests until 2026-01-01T12:05:00Z", "t/a")
	if u := h.l.Use()[0]; u.Assigned4 != 0 || u.Kept4 != 1 || u.Available4 != 0 {
		t.Errorf("%+v", u)
	}
	h.wait(5*minute - time.Second)
	h.expect(b, "AddressInUse")
	h.wait(time.Second)
	h.expect(b, "198.51.100.1@tiny")
	h.expectMemory("198.51.100.1", "Bound b from tiny")
	if !h.l.Due().IsZero() {
		t.Errorf("due at %v, with nothing at rest", h.l.Due())
	}
}

func TestRetain(t *testing.T) {
	kept := alter(public, remembers(0, 10*minute))
	a, b := svc("a"), svc("b")
	for name, c := range map[string]struct {
		after time.Duration
		back  *config.Service
		want  string
	}{
		"in time":                    {9 * minute, a, "192.0.2.10@public"},
		"too late":                   {10 * minute, a, "192.0.2.10@public"}, // it is the lowest free one again
		"another Service":            {minute, svc("c"), "192.0.2.12@public"},
		"asking for another address": {minute, but(a, asks("192.0.2.12")), "192.0.2.12@public"},
		"asking for another pool":    {minute, but(a, asksPool("tiny")), "198.51.100.1@tiny"},
		"asking for it by name":      {minute, but(a, asks("192.0.2.10")), "192.0.2.10@public"},
		"in another namespace":       {minute, but(a, in("u")), "192.0.2.12@public"},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, []*config.Pool{kept, tiny}, a, b)
			h.remove(a)
			h.expectMemory("192.0.2.10", "Released a from public, retained to 10, free at 10")
			h.wait(c.after)
			h.change(c.back)
			h.expect(c.back, c.want)
		})
	}
}

func TestRetainEndsBeforeCoolDown(t *testing.T) {
	p := alter(public, remembers(10*minute, minute))
	a := svc("a")
	h := start(t, []*config.Pool{p}, a)
	h.remove(a)
	h.expectMemory("192.0.2.10", "Released a from public, retained to 1, free at 10")
	h.wait(2 * minute)
	h.change(a)
	h.expect(a, "192.0.2.11@public") // as if it were new
	h.change(but(a, asks("192.0.2.10")))
	h.expect(a, "192.0.2.10@public") // the rest keeps others away, not its own Service
}

func TestSharedAddressRestsWhenTheLastLeaves(t *testing.T) {
	p := alter(public, remembers(minute, minute))
	a, b := svc("a", shares("k")), svc("b", shares("k"), port("TCP", 81))
	h := start(t, []*config.Pool{p}, a, b)
	h.expectMemory("192.0.2.10", "Bound a from public")
	h.remove(a)
	h.expectMemory("192.0.2.10", "Bound b from public")
	h.remove(b)
	h.expectMemory("192.0.2.10", "Released b from public, retained to 1, free at 1")
	c := svc("c", shares("k"), port("TCP", 82)) // younger than b
	h.change(c)
	h.expect(c, "192.0.2.11@public")
	h.change(b)
	h.expect(b, "192.0.2.10@public") // its own before sharing another
}

func TestWaitingSharerJoinsWhatComesBack(t *testing.T) {
	p := alter(tiny, remembers(minute, minute))
	a, b := svc("b", shares("k")), svc("a", shares("k"), port("TCP", 81)) // who waits is older
	h := start(t, []*config.Pool{p}, a)
	h.remove(a)
	h.change(b)
	h.expect(b, "PoolExhausted")
	h.change(a)
	h.expect(a, "198.51.100.1@tiny")
	h.expect(b, "198.51.100.1@tiny")
}

func TestTypeLeavesAndComesBack(t *testing.T) {
	p := alter(public, remembers(minute, minute))
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{p}, a)
	h.remove(a) // of type ClusterIP, its status cleared
	h.change(b)
	h.change(a)
	h.expect(a, "192.0.2.10@public")
	h.expect(b, "192.0.2.11@public")
}

func TestNewLeaderRemembers(t *testing.T) {
	p := alter(public, remembers(5*minute, 5*minute))
	a, b := svc("a"), svc("b")
	before := start(t, []*config.Pool{p}, a, b)
	bound := []*config.Reservation{record(before.l, "192.0.2.10"), record(before.l, "192.0.2.11")}
	before.remove(a)
	released := []*config.Reservation{record(before.l, "192.0.2.10"), record(before.l, "192.0.2.11")}
	shown := but(b, shows("public", "192.0.2.11"))
	for name, c := range map[string]struct {
		records  []*config.Reservation
		services []*config.Service
		want     string // of a
		memory   string // of its address before
	}{
		"released: it rests on": {released, []*config.Service{shown, svc("c")}, "",
			"Released a from public, retained to 5, free at 5"},
		"released, re-created": {released, []*config.Service{a, shown}, "192.0.2.10@public", "Bound a from public"},
		"bound, deleted while nobody led": {bound, []*config.Service{shown}, "",
			"Released a from public, retained to 6, free at 6"},
		"bound, re-created while nobody led":  {bound, []*config.Service{a, shown}, "192.0.2.10@public", "Bound a from public"},
		"bound, asking for another meanwhile": {bound, []*config.Service{but(a, asks("192.0.2.12")), shown}, "192.0.2.12@public", "Released a from public, retained to 6, free at 6"},
		"bound, but shows another": {bound, []*config.Service{but(a, shows("public", "192.0.2.12")), shown}, "192.0.2.12@public",
			"Released a from public, retained to 6, free at 6"},
		"statuses count more": {released, []*config.Service{a, but(b, shows("public", "192.0.2.10"))}, "192.0.2.12@public", "Bound b from public"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &history{t: t, now: noon.Add(minute), pools: []*config.Pool{p}, reserved: c.records}
			h.plan(c.services...)
			h.expect(a, c.want)
			h.expectMemory("192.0.2.10", c.memory)
		})
	}
}

// TestOwedWithoutRetain: what a Service had when the leader died is its own,
// even if the pool retains nothing: the leader may just have given it.
func TestOwedWithoutRetain(t *testing.T) {
	p := alter(public, remembers(5*minute, 0))
	a, b := svc("b"), svc("a")
	old := start(t, []*config.Pool{p}, a)
	stale := record(old.l, "192.0.2.10")
	stale.Name, stale.Service, stale.Status.Bound = "x", "x", noon.Add(-minute)
	dead := record(old.l, "192.0.2.10")
	dead.Name, dead.Service, dead.Status.State = "y", "y", config.ReservationReleased
	h := &history{t: t, now: noon.Add(minute), pools: old.pools}
	h.reserved = []*config.Reservation{dead, record(old.l, "192.0.2.10"), stale}
	h.plan(b, a)
	h.expect(a, "192.0.2.10@public")
	h.expect(b, "192.0.2.11@public")
	other := &history{t: t, now: noon.Add(minute), pools: old.pools, reserved: h.reserved}
	other.plan(but(a, shows("", "203.0.113.9"))) // somebody else's meanwhile
	other.expectMemory("192.0.2.10", "Released b from public, retained to 1, free at 6")
}

func TestBoundSinceSurvivesTheLeader(t *testing.T) {
	p := alter(public, remembers(minute, 0))
	a := svc("a")
	old := start(t, []*config.Pool{p}, a)
	h := &history{t: t, now: noon.Add(minute), pools: old.pools, reserved: []*config.Reservation{record(old.l, "192.0.2.10")}}
	h.plan(but(a, shows("public", "192.0.2.10")))
	if m, _ := h.l.Memory(ip("192.0.2.10")); !m.Bound.Equal(noon) {
		t.Errorf("bound since %v, want %v", m.Bound, noon)
	}
}

func TestForgottenByHand(t *testing.T) {
	p := alter(tiny, remembers(5*minute, 0))
	a, b := svc("a"), svc("b")
	addrs := ips("198.51.100.1")
	h := start(t, []*config.Pool{p}, a)
	h.l, h.diff = Update(h.l, Delta{Forgotten: addrs, Now: h.now})
	if h.expectMemory("198.51.100.1", "Bound a from tiny"); !slices.Equal(h.diff.Memories, addrs) {
		t.Errorf("to be written again: %v", h.diff.Memories)
	}
	h.remove(a)
	h.change(b)
	h.expect(b, "PoolExhausted")
	h.l, _ = Update(h.l, Delta{Forgotten: addrs, Now: h.now})
	h.expect(b, "198.51.100.1@tiny")
}

func TestMemoryFollowsThePool(t *testing.T) {
	a := svc("a")
	labelled := alter(public, func(p *config.Pool) { p.Labels = map[string]string{"l": "1"} })
	h := start(t, []*config.Pool{labelled}, a)
	h.expectMemory("192.0.2.10", "")
	h.pools = []*config.Pool{alter(labelled, remembers(minute, 0))}
	h.plan(a)
	h.expectMemory("192.0.2.10", "Bound a from public")
	h.pools = []*config.Pool{labelled}
	h.plan(a)
	if h.expectMemory("192.0.2.10", ""); len(h.diff.Memories) != 1 {
		t.Errorf("changed: %v", h.diff.Memories)
	}
	h.pools = []*config.Pool{tiny} // the pool went: what is kept is remembered
	h.plan(a)
	h.expect(a, "192.0.2.10@public(gone)")
	h.expectMemory("192.0.2.10", "Bound a from public")
	if m, _ := h.l.Memory(ip("192.0.2.10")); m.PoolLabels["l"] != "1" {
		t.Errorf("labels: %v", m.PoolLabels)
	}
	fresh := &history{t: t, now: noon, pools: h.pools, reserved: []*config.Reservation{record(h.l, "192.0.2.10")}}
	shown := but(a, shows("", "192.0.2.10")) // somebody removed the annotation
	fresh.plan(shown)
	fresh.expect(a, "192.0.2.10@public(gone)")
	if m, _ := fresh.l.Memory(ip("192.0.2.10")); m.PoolLabels["l"] != "1" {
		t.Errorf("labels after a new leader: %v", m.PoolLabels)
	}
	h.remove(a)
	h.expectMemory("192.0.2.10", "") // no pool, no rest
}

func TestRestsOutliveAPoolEdit(t *testing.T) {
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{alter(tiny, remembers(5*minute, 5*minute))}, a)
	h.remove(a)
	h.pools = []*config.Pool{tiny}
	h.plan(b)
	h.expect(b, "PoolExhausted")
	h.pools = nil
	h.plan(b)
	h.pools = []*config.Pool{tiny}
	h.plan(a, b)
	h.expect(a, "198.51.100.1@tiny")
	h.expectMemory("198.51.100.1", "")
}
