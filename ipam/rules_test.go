package ipam

import (
	"fmt"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func TestDrainingPoolKeepsAndGivesNothing(t *testing.T) {
	a, b := svc("a"), svc("b")
	h := start(t, []*config.Pool{public}, a)
	h.pools = []*config.Pool{alter(public, draining)}
	h.plan(a, b)
	h.expect(a, "192.0.2.10@public")
	h.expect(b, "NoMatchingPool")
	h.expectText(b, "pool public: is draining")
	c := svc("c", asks("192.0.2.12"))
	h.change(c)
	h.expect(c, "NoMatchingPool")
	h.expectText(c, "is draining")
	h.pools = []*config.Pool{public}
	h.plan(a, b, c)
	h.expect(b, "192.0.2.11@public")
	h.expect(c, "192.0.2.12@public")
}

func TestPoolsServeClasses(t *testing.T) {
	class := func(c ...string) func(*config.Pool) {
		return func(p *config.Pool) { p.Classes = c }
	}
	pools := []*config.Pool{alter(tiny, class("gold")), alter(public, class("silver", ""))}
	gold, plain, iron := svc("a", ofClass("gold")), svc("b"), svc("c", ofClass("iron"))
	h := start(t, pools, gold, plain, iron)
	h.expect(gold, "198.51.100.1@tiny")
	h.expect(plain, "192.0.2.10@public")
	h.expect(iron, "NoMatchingPool")
	h.expectText(iron, "pool tiny: not for loadBalancerClass iron", "pool public: not for loadBalancerClass iron")
	open := start(t, []*config.Pool{tiny}, iron)
	open.expect(iron, "198.51.100.1@tiny")
}

func TestOnRemoval(t *testing.T) {
	shrunk := func(edits ...func(*config.Pool)) *config.Pool {
		return alter(pool("public", "192.0.2.12-192.0.2.12"), edits...)
	}
	for name, c := range map[string]struct {
		before, now []*config.Pool
		want        string
	}{
		"keep":                         {[]*config.Pool{public}, []*config.Pool{shrunk()}, "192.0.2.10@public(gone)"},
		"reallocate":                   {[]*config.Pool{alter(public, reallocate)}, []*config.Pool{shrunk(reallocate)}, "192.0.2.12@public"},
		"set to reallocate meanwhile":  {[]*config.Pool{public}, []*config.Pool{shrunk(reallocate)}, "192.0.2.12@public"},
		"set to keep meanwhile":        {[]*config.Pool{alter(public, reallocate)}, []*config.Pool{shrunk()}, "192.0.2.10@public(gone)"},
		"the pool went":                {[]*config.Pool{alter(public, reallocate)}, []*config.Pool{tiny}, "198.51.100.1@tiny"},
		"another pool has the range":   {[]*config.Pool{alter(public, reallocate)}, []*config.Pool{pool("other", "192.0.2.10-192.0.2.12")}, "192.0.2.10@other"},
		"nothing else to be had there": {[]*config.Pool{alter(public, reallocate)}, []*config.Pool{only6}, "FamilyUnavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			a := svc("a")
			h := start(t, c.before, a)
			h.pools = c.now
			h.plan(a)
			h.expect(a, c.want)
			if strings.HasPrefix(c.want, "192.0.2.10@") {
				return
			}
			if len(h.diff.Services) != 1 || len(h.diff.Services[0].Dropped) != 1 {
				t.Fatalf("%+v", h.diff.Services)
			}
			if why := h.diff.Services[0].Dropped[0].Why; !strings.Contains(why, "pool public no longer holds it") || !strings.Contains(why, "Keep") {
				t.Errorf("%q", why)
			}
		})
	}
}

func TestStrategyRandom(t *testing.T) {
	p := alter(pool("p", "10.0.0.0-10.0.0.99", "10.0.1.0-10.0.1.99", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"), by(config.Random))
	var services []*config.Service
	for i := range 200 {
		services = append(services, svc(fmt.Sprintf("a%03d", i)))
	}
	h := start(t, []*config.Pool{p}, services...)
	seen, low := map[string]bool{}, 0
	for _, s := range services {
		addr := h.l.Entry(s.Key).Held[0].Addr
		if seen[addr.String()] = true; addr.Less(ip("10.0.1.0")) {
			low++
		}
	}
	if len(seen) != 200 || low != 100 {
		t.Errorf("%d addresses, %d in the lower range", len(seen), low)
	}
	first := start(t, []*config.Pool{p}, services[:20]...)
	ascending := 0
	for i := range 19 {
		if first.l.Entry(services[i].Key).Held[0].Addr.Less(first.l.Entry(services[i+1].Key).Held[0].Addr) {
			ascending++
		}
	}
	if ascending < 3 || ascending > 16 {
		t.Errorf("%d of 19 addresses follow a lower one", ascending)
	}
	again := start(t, []*config.Pool{p}, services[:20]...)
	for _, s := range services[:20] {
		again.expect(s, result(first.l, s))
	}
	six := svc("six", families(config.SingleStack, config.IPv6))
	h.change(six)
	if addr := h.l.Entry(six.Key).Held[0].Addr; !addr.Is6() || addr.Less(ip("2001:db8::1:0:0")) {
		t.Errorf("%v of a /64", addr)
	}
}

func TestStrategyLeastRecentlyUsed(t *testing.T) {
	p := alter(public, by(config.LeastRecentlyUsed))
	a, b, c, d, e := svc("a"), svc("b"), svc("c"), svc("d"), svc("e")
	h := start(t, []*config.Pool{p}, a, b)
	h.remove(b)
	h.change(b)
	h.expect(b, "192.0.2.12@public") // never used comes first
	h.remove(a)
	h.change(c)
	h.expect(c, "192.0.2.11@public") // then the one released longest ago
	h.remove(b)
	h.change(d, e)
	h.expect(d, "192.0.2.10@public")
	h.expect(e, "192.0.2.12@public")
	h.remove(d)
	h.remove(e)
	h.change(but(d, asks("192.0.2.10"))) // asked for: it is no longer in the queue
	h.change(e, a)
	h.expect(e, "PoolExhausted")
	h.expect(a, "192.0.2.12@public")
}

func TestWearIsBounded(t *testing.T) {
	p := alter(pool("p", "10.0.0.0-10.255.255.255"), by(config.LeastRecentlyUsed))
	var services []*config.Service
	for i := range worn + 10 {
		services = append(services, svc(fmt.Sprintf("a%d", i)))
	}
	h := start(t, []*config.Pool{p}, services...)
	h.remove(services...)
	if got := h.l.wear.ages.size(); got != worn {
		t.Errorf("%d free addresses are known as used, want %d", got, worn)
	}
	h.change(svc("b"))
	h.expect(svc("b"), "10.0.0.0@p") // forgotten first
}

func TestSharingAcrossNamespaces(t *testing.T) {
	granted := alter(public, func(p *config.Pool) { p.SharedBy = []string{"t", "u"} })
	a := svc("a", shares("k"))
	mine := func(edits ...edited) *config.Service {
		return svc("b", append([]edited{in("u"), shares("k"), port("TCP", 81)}, edits...)...)
	}
	for name, c := range map[string]struct {
		p    *config.Pool
		b    *config.Service
		want string
	}{
		"granted":            {granted, mine(), "192.0.2.10@public"},
		"granted, by asking": {granted, mine(asks("192.0.2.10")), "192.0.2.10@public"},
		"not granted":        {public, mine(), "192.0.2.11@public"},
		"another namespace":  {granted, mine(in("v")), "192.0.2.11@public"},
		"another key":        {granted, mine(shares("q")), "192.0.2.11@public"},
		"the same port":      {granted, mine(port("TCP", 80)), "192.0.2.11@public"},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, []*config.Pool{c.p}, a, c.b)
			h.expect(a, "192.0.2.10@public")
			h.expect(c.b, c.want)
		})
	}
	h := start(t, []*config.Pool{granted}, a, mine())
	h.pools = []*config.Pool{public} // the grant is taken back: who shares goes on
	h.plan(a, mine())
	h.expect(mine(), "192.0.2.10@public")
	late := svc("c", in("u"), shares("k"), port("TCP", 82), asks("192.0.2.10"))
	h.change(late)
	h.expect(late, "SharingConflict")
}

func TestSharingConflictIsExplained(t *testing.T) {
	a, b := svc("a", shares("k")), svc("b", shares("k"))
	h := start(t, []*config.Pool{tiny}, a, b)
	h.expect(b, "PoolExhausted")
	h.expectText(b, `under the key "k" there is 198.51.100.1`, "belongs to t/a, which uses port TCP 80 as well")
}

func TestSecondFamilyComesWhenItCan(t *testing.T) {
	a := svc("a", families(config.PreferDualStack, config.IPv4, config.IPv6))
	six := svc("6", families(config.SingleStack, config.IPv6))
	h := start(t, []*config.Pool{tiny, pool("one6", "2001:db8:6::1-2001:db8:6::1")}, six, a)
	h.expect(a, "198.51.100.1@tiny PoolExhausted")
	if r := h.l.Entry(a.Key).Refusal; !r.Optional {
		t.Error("the second family is optional")
	}
	h.remove(six)
	h.expect(a, "198.51.100.1@tiny 2001:db8:6::1@one6")
	h.pools = []*config.Pool{tiny, alter(pool("one6", "2001:db8:7::1-2001:db8:7::1"), reallocate)}
	h.plan(a)
	h.expect(a, "198.51.100.1@tiny 2001:db8:7::1@one6")
	h.pools = []*config.Pool{tiny}
	h.plan(a)
	h.expect(a, "198.51.100.1@tiny FamilyUnavailable")
}
