package ipam

import (
	"errors"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

var (
	public = pool("public", "192.0.2.10-192.0.2.12", "2001:db8::10-2001:db8::12")
	tiny   = pool("tiny", "198.51.100.1-198.51.100.1")
	only6  = pool("only6", "2001:db8:6::1-2001:db8:6::4")
)

func restricted(p *config.Pool, a config.Allocation) *config.Pool {
	c := *p
	c.Allocation = &a
	return &c
}

func named(p *config.Pool) *config.Pool {
	c := *p
	c.AutoAssign = false
	return &c
}

func buggyOff(p *config.Pool) *config.Pool {
	c := *p
	c.AvoidBuggyIPs = true
	return &c
}

// TestPlanFromNothing: a new leader, with statuses as its only memory.
func TestPlanFromNothing(t *testing.T) {
	const v4, v6 = config.IPv4, config.IPv6
	prefer := families(config.PreferDualStack, v4, v6)
	require := families(config.RequireDualStack, v6, v4)
	type want map[string]string
	for name, c := range map[string]struct {
		pools []*config.Pool
		svcs  []*config.Service
		want  want
	}{
		"lowest first, elder first": {[]*config.Pool{public}, []*config.Service{svc("b"), svc("a")},
			want{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}},
		"IPv6": {[]*config.Pool{public}, []*config.Service{svc("a", families(config.SingleStack, v6))},
			want{"a": "2001:db8::10@public"}},
		"both families, in the Service's order": {[]*config.Pool{public}, []*config.Service{svc("a", require)},
			want{"a": "2001:db8::10@public 192.0.2.10@public"}},
		"both from one pool although another comes first": {[]*config.Pool{tiny, public}, []*config.Service{svc("a", prefer)},
			want{"a": "192.0.2.10@public 2001:db8::10@public"}},
		"both from two pools if need be": {[]*config.Pool{only6, tiny}, []*config.Service{svc("a", require)},
			want{"a": "2001:db8:6::1@only6 198.51.100.1@tiny"}},
		"required: both or none": {[]*config.Pool{tiny}, []*config.Service{svc("a", require), svc("b")},
			want{"a": "FamilyUnavailable", "b": "198.51.100.1@tiny"}},
		"preferred: one will do": {[]*config.Pool{tiny}, []*config.Service{svc("a", prefer)},
			want{"a": "198.51.100.1@tiny FamilyUnavailable"}},
		"full": {[]*config.Pool{tiny}, []*config.Service{svc("a"), svc("b")},
			want{"a": "198.51.100.1@tiny", "b": "PoolExhausted"}},
		"no pool at all":        {nil, []*config.Service{svc("a")}, want{"a": "NoMatchingPool"}},
		"no pool of its family": {[]*config.Pool{only6}, []*config.Service{svc("a")}, want{"a": "FamilyUnavailable"}},
		"being deleted: nothing new": {[]*config.Pool{public}, []*config.Service{svc("a", func(s *config.Service) { s.Deleted = true })},
			want{"a": ""}},
		"unreadable request": {[]*config.Pool{public}, []*config.Service{svc("a", func(s *config.Service) { s.Want.Problem = &config.Problem{Message: "no address"} })},
			want{"a": "InvalidRequest"}},

		// requests by name
		"asked-for address": {[]*config.Pool{public}, []*config.Service{svc("a", asks("192.0.2.12"))},
			want{"a": "192.0.2.12@public"}},
		"asked-for address of one family, any of the other": {[]*config.Pool{public}, []*config.Service{svc("a", prefer, asks("2001:db8::12"))},
			want{"a": "192.0.2.10@public 2001:db8::12@public"}},
		"asked-for address in no pool": {[]*config.Pool{public}, []*config.Service{svc("a", asks("203.0.113.1"))},
			want{"a": "AddressNotInPool"}},
		"asked-for address in a pool that is not automatic": {[]*config.Pool{named(tiny)}, []*config.Service{svc("a", asks("198.51.100.1"))},
			want{"a": "198.51.100.1@tiny"}},
		"asked-for address taken": {[]*config.Pool{public}, []*config.Service{svc("a"), svc("b", asks("192.0.2.10"))},
			want{"a": "192.0.2.10@public", "b": "AddressInUse"}},
		"the elder asks for what a younger would get": {[]*config.Pool{public}, []*config.Service{svc("a", asks("192.0.2.10")), svc("b")},
			want{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}},
		"two addresses of one family": {[]*config.Pool{public}, []*config.Service{svc("a", asks("192.0.2.10", "192.0.2.11"))},
			want{"a": "InvalidRequest"}},
		"an address of a family it does not have": {[]*config.Pool{public}, []*config.Service{svc("a", asks("2001:db8::10"))},
			want{"a": "InvalidRequest"}},
		"asked-for pool": {[]*config.Pool{public, named(tiny)}, []*config.Service{svc("a", asksPool("tiny"))},
			want{"a": "198.51.100.1@tiny"}},
		"asked-for pool does not exist": {[]*config.Pool{public}, []*config.Service{svc("a", asksPool("x"))},
			want{"a": "NoMatchingPool"}},
		"asked-for pool is full": {[]*config.Pool{public, tiny}, []*config.Service{svc("a", asksPool("tiny")), svc("b", asksPool("tiny"))},
			want{"a": "198.51.100.1@tiny", "b": "PoolExhausted"}},
		"address and pool disagree": {[]*config.Pool{public, tiny}, []*config.Service{svc("a", asksPool("tiny"), asks("192.0.2.10"))},
			want{"a": "AddressNotInPool"}},

		// which pool
		"not automatic": {[]*config.Pool{named(tiny)}, []*config.Service{svc("a")}, want{"a": "NoMatchingPool"}},
		"restricted before open": {[]*config.Pool{public, restricted(tiny, config.Allocation{Namespaces: []string{"t"}})}, []*config.Service{svc("a")},
			want{"a": "198.51.100.1@tiny"}},
		"by priority, 0 last": {[]*config.Pool{
			restricted(pool("p0", "10.0.0.1-10.0.0.1"), config.Allocation{}),
			restricted(pool("p2", "10.0.2.1-10.0.2.1"), config.Allocation{Priority: 2}),
			restricted(pool("p1", "10.0.1.1-10.0.1.1"), config.Allocation{Priority: 1}),
		}, []*config.Service{svc("a"), svc("b"), svc("c")},
			want{"a": "10.0.1.1@p1", "b": "10.0.2.1@p2", "c": "10.0.0.1@p0"}},
		"another namespace": {[]*config.Pool{restricted(tiny, config.Allocation{Namespaces: []string{"x"}})}, []*config.Service{svc("a")},
			want{"a": "NoMatchingPool"}},
		"asked-for address in a pool for others": {[]*config.Pool{restricted(tiny, config.Allocation{Namespaces: []string{"x"}})}, []*config.Service{svc("a", asks("198.51.100.1"))},
			want{"a": "NoMatchingPool"}},
		"avoidBuggyIPs": {[]*config.Pool{buggyOff(pool("p", "10.0.0.254-10.0.1.1"))}, []*config.Service{svc("a"), svc("b"), svc("c"), svc("d", asks("10.0.1.0"))},
			want{"a": "10.0.0.254@p", "b": "10.0.1.1@p", "c": "PoolExhausted", "d": "AddressNotInPool"}},

		// sharing
		"one key, other ports": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k")), svc("b", shares("k"), port("UDP", 80))},
			want{"a": "192.0.2.10@public", "b": "192.0.2.10@public"}},
		"one key, same port": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k")), svc("b", shares("k"))},
			want{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}},
		"same port, address asked for": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k")), svc("b", shares("k"), asks("192.0.2.10"))},
			want{"a": "192.0.2.10@public", "b": "SharingConflict"}},
		"other key": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k")), svc("b", shares("q"), port("UDP", 80), asks("192.0.2.10"))},
			want{"a": "192.0.2.10@public", "b": "SharingConflict"}},
		"holder does not share": {[]*config.Pool{public}, []*config.Service{svc("a"), svc("b", shares("k"), port("UDP", 80), asks("192.0.2.10"))},
			want{"a": "192.0.2.10@public", "b": "AddressInUse"}},
		"Local with the same pods": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k"), local("x")), svc("b", shares("k"), local("x"), port("UDP", 80))},
			want{"a": "192.0.2.10@public", "b": "192.0.2.10@public"}},
		"Local with other pods": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k"), local("x")), svc("b", shares("k"), local("y"), port("UDP", 80))},
			want{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}},
		"Local and Cluster": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k"), local("x")), svc("b", shares("k"), port("UDP", 80))},
			want{"a": "192.0.2.10@public", "b": "192.0.2.11@public"}},
		"one key in two namespaces": {[]*config.Pool{public}, []*config.Service{svc("a", shares("k")), svc("b", in("u"), shares("k"), port("UDP", 80))},
			want{"a": "192.0.2.10@public", "u/b": "192.0.2.11@public"}},

		// adoption
		"statuses are kept, whoever is younger": {[]*config.Pool{public}, []*config.Service{svc("a"), svc("b", shows("public", "192.0.2.10"))},
			want{"a": "192.0.2.11@public", "b": "192.0.2.10@public"}},
		"a status without our annotation, in our pool": {[]*config.Pool{public}, []*config.Service{svc("a", shows("", "192.0.2.12"))},
			want{"a": "192.0.2.12@public"}},
		"a status of somebody else": {[]*config.Pool{public}, []*config.Service{svc("a", shows("", "203.0.113.9"))},
			want{"a": "ForeignAddress"}},
		"the pool went away": {[]*config.Pool{public}, []*config.Service{svc("a", shows("old", "203.0.113.9"))},
			want{"a": "203.0.113.9@old(gone)"}},
		"the pool that it names went away, another has the address": {[]*config.Pool{public}, []*config.Service{svc("a", asksPool("old"), shows("old", "192.0.2.12"))},
			want{"a": "192.0.2.12@old(gone)"}},
		"the pool was renamed": {[]*config.Pool{public}, []*config.Service{svc("a", shows("old", "192.0.2.12"))},
			want{"a": "192.0.2.12@public"}},
		"one address on two: the elder keeps it": {[]*config.Pool{public}, []*config.Service{svc("b", shows("public", "192.0.2.11")), svc("a", shows("public", "192.0.2.11"))},
			want{"a": "192.0.2.11@public", "b": "192.0.2.10@public"}},
		"one address on two that share it": {[]*config.Pool{public}, []*config.Service{
			svc("a", shares("k"), shows("public", "192.0.2.11")), svc("b", shares("k"), port("TCP", 81), shows("public", "192.0.2.11"))},
			want{"a": "192.0.2.11@public", "b": "192.0.2.11@public"}},
		"a second family is added": {[]*config.Pool{public}, []*config.Service{svc("a", prefer, shows("public", "192.0.2.11"))},
			want{"a": "192.0.2.11@public 2001:db8::10@public"}},
		"a second family is added from the same pool": {[]*config.Pool{only6, public}, []*config.Service{svc("a", prefer, shows("public", "192.0.2.11"))},
			want{"a": "192.0.2.11@public 2001:db8::10@public"}},
		"required, and the second cannot be added: the first stays": {[]*config.Pool{tiny}, []*config.Service{svc("a", require, shows("tiny", "198.51.100.1"))},
			want{"a": "198.51.100.1@tiny FamilyUnavailable"}},
		"a pool now for others keeps what it gave": {[]*config.Pool{restricted(tiny, config.Allocation{Namespaces: []string{"x"}})}, []*config.Service{svc("a", shows("tiny", "198.51.100.1"))},
			want{"a": "198.51.100.1@tiny"}},
		"addresses from two pools": {[]*config.Pool{tiny, only6}, []*config.Service{svc("a", prefer, shows("tiny,gone6", "198.51.100.1", "2001:db8:9::9"))},
			want{"a": "198.51.100.1@tiny 2001:db8:9::9@gone6(gone)"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := plan(Ledger{}, c.pools, requests(c.svcs...))
			for _, s := range c.svcs {
				key := strings.TrimPrefix(s.Key.String(), "t/")
				if got := result(l, s); got != c.want[key] {
					t.Errorf("%s: %q, want %q; %v", key, got, c.want[key], refusalOf(l, s))
				}
			}
			if _, changes := plan(l, c.pools, requests(c.svcs...)); len(changes) != 0 {
				t.Errorf("planning again changes %d Services", len(changes))
			}
		})
	}
}

func refusalOf(l Ledger, s *config.Service) error {
	if e := l.Entry(s.Key); e != nil && e.Refusal != nil {
		return e.Refusal
	}
	return nil
}

func TestSelectorsChoosePools(t *testing.T) {
	sel := func(k, v string) []config.Selector {
		return []config.Selector{{Requirements: []config.Requirement{{Key: k, Op: config.In, Values: []string{v}}}}}
	}
	p := restricted(tiny, config.Allocation{NamespaceSelectors: sel("team", "red"), ServiceSelectors: sel("tier", "web")})
	labelled := func(v string) *config.Service {
		return svc("a", func(s *config.Service) { s.Labels = map[string]string{"tier": v} })
	}
	for name, c := range map[string]struct {
		team, tier, want string
	}{
		"both match":        {"red", "web", "198.51.100.1@tiny"},
		"another namespace": {"blue", "web", "NoMatchingPool"},
		"another Service":   {"red", "db", "NoMatchingPool"},
	} {
		s := labelled(c.tier)
		l, _ := plan(Ledger{}, []*config.Pool{p}, []Request{{Service: s, Labels: map[string]string{"team": c.team}}})
		if got := result(l, s); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestRefusalsExplain(t *testing.T) {
	v6 := families(config.SingleStack, config.IPv6)
	red := restricted(pool("red", "10.9.0.1-10.9.0.9"), config.Allocation{Namespaces: []string{"red"}})
	pools := []*config.Pool{tiny, red, named(pool("quiet", "10.8.0.1-10.8.0.9"))}
	holder := svc("a", asks("198.51.100.1"))
	for _, c := range []struct {
		s      *config.Service
		reason Reason
		says   []string
	}{
		{svc("b"), PoolExhausted, []string{"pool tiny: 0 of 1 IPv4 addresses are free", "pool red: not for namespace t", "pool quiet: only for Services that name it"}},
		{svc("b", v6), FamilyUnavailable, []string{"pool tiny: has no IPv6 addresses", "ipFamilyPolicy"}},
		{svc("b", asksPool("red")), NoMatchingPool, []string{"pool red: not for namespace t"}},
		{svc("b", asksPool("blue")), NoMatchingPool, []string{`no pool "blue"`, "tiny, red, quiet"}},
		{svc("b", asks("198.51.100.1")), AddressInUse, []string{"198.51.100.1 belongs to t/a", "allow-shared-ip"}},
		{svc("b", asks("203.0.113.1")), AddressNotInPool, []string{"203.0.113.1 lies in none of the pools", "tiny"}},
	} {
		l, _ := plan(Ledger{}, pools, requests(holder, c.s))
		err := refusalOf(l, c.s)
		if !errors.Is(err, c.reason) {
			t.Errorf("%v is not %v", err, c.reason)
			continue
		}
		text := l.Entry(c.s.Key).Refusal.Text()
		for _, word := range c.says {
			if !strings.Contains(text, word) {
				t.Errorf("%v: %q does not say %q", c.reason, text, word)
			}
		}
	}
}
