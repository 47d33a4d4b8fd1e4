package bgp

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// randomRoutes makes a sorted list over a small space, so that lists overlap.
func randomRoutes(r *rand.Rand) []announce.Route {
	m := map[netip.Prefix]announce.Route{}
	for range r.IntN(20) {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(16))})
		if r.IntN(3) == 0 {
			addr = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 15: byte(r.IntN(8))})
		}
		p := netip.PrefixFrom(addr, addr.BitLen())
		m[p] = announce.Route{Prefix: p, LocalPref: uint32(r.IntN(3)), Communities: make([]uint32, r.IntN(3)), Last: r.IntN(4) == 0}
	}
	return slices.SortedFunc(maps.Values(m), func(a, b announce.Route) int { return a.Prefix.Compare(b.Prefix) })
}

func TestDiffMakesHaveIntoWantWithFewestEdits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		have, want := randomRoutes(r), randomRoutes(r)
		rib := map[netip.Prefix]announce.Route{}
		for _, x := range have {
			rib[x.Prefix] = x
		}
		least := 0
		for _, x := range want {
			if old, ok := rib[x.Prefix]; !ok || !sameRoute(old, x) {
				least++
			}
		}
		for _, x := range have {
			if !slices.ContainsFunc(want, func(w announce.Route) bool { return w.Prefix == x.Prefix }) {
				least++
			}
		}
		edits, removing := diff(have, want), false
		for _, e := range edits {
			if removing && !e.remove {
				t.Fatal("a set after a removal")
			}
			removing = e.remove
			if e.remove {
				delete(rib, e.route.Prefix)
			} else {
				rib[e.route.Prefix] = e.route
			}
		}
		got := slices.SortedFunc(maps.Values(rib), func(a, b announce.Route) int { return a.Prefix.Compare(b.Prefix) })
		if !slices.EqualFunc(got, want, sameRoute) {
			t.Fatalf("from %v\nto %v\ngot %v", have, want, got)
		}
		if len(edits) != least {
			t.Fatalf("%d edits, %d would do", len(edits), least)
		}
	}
}

func TestTidySortsMasksAndDropsDoubles(t *testing.T) {
	in := []announce.Route{route("192.0.2.9/24"), route("10.0.0.0/8"), route("192.0.2.0/24")}
	before := slices.Clone(in)
	got := tidy(in)
	if len(got) != 2 || got[0].Prefix.String() != "10.0.0.0/8" || got[1].Prefix.String() != "192.0.2.0/24" {
		t.Errorf("tidied to %v", got)
	}
	if !slices.EqualFunc(in, before, sameRoute) {
		t.Error("the caller's list was changed")
	}
	if again := tidy(got); !sameList(again, got) {
		t.Error("a tidy list was copied")
	}
}

func TestSettledKeepsWhatFailedAsItWas(t *testing.T) {
	old, changed, fresh, gone := route("10.0.0.1/32"), route("10.0.0.1/32"), route("10.0.0.2/32"), route("10.0.0.3/32")
	changed.MED = 7
	have, want := []announce.Route{old, gone}, []announce.Route{changed, fresh}
	got := settled(have, want, []edit{{route: changed}, {route: gone, remove: true}})
	if !slices.EqualFunc(got, []announce.Route{old, fresh, gone}, sameRoute) {
		t.Errorf("got %v", got)
	}
}

func TestResolveGivesIPv6PrefixesOnIPv4SessionsANextHop(t *testing.T) {
	own6, given := netip.MustParseAddr(node6), netip.MustParseAddr("2001:db8::7")
	set := route(vip6)
	set.NextHop = given
	routes := []announce.Route{route(vip4), route(vip6), set}
	got, left := resolve(routes, netip.MustParseAddr(router4), own6)
	if left != 0 || got[0].NextHop.IsValid() || got[1].NextHop != own6 || got[2].NextHop != given {
		t.Errorf("%d left, %v", left, got)
	}
	if got, left := resolve(routes, netip.MustParseAddr(router4), netip.Addr{}); left != 1 || len(got) != 2 {
		t.Errorf("without an address of our own: %d left, %v", left, got)
	}
	if got, _ := resolve(routes, netip.MustParseAddr(router6), netip.Addr{}); !sameList(got, routes) {
		t.Errorf("an IPv6 session needs no help: %v", got)
	}
}

func TestPickGlobal6(t *testing.T) {
	prefixes := func(texts ...string) (out []netip.Prefix) {
		for _, s := range texts {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for want, in := range map[string][]netip.Prefix{
		"2001:db8::5":  prefixes("10.0.0.1/24", "fe80::1/64", "2001:db8::1/128", "2001:db8::9/64", "2001:db8::5/64"),
		"2001:db8::1":  prefixes("fe80::1/64", "2001:db8::1/128"),
		"invalid IP":   prefixes("10.0.0.1/24", "fe80::1/64"),
		"2001:db8::1a": prefixes("2001:db8::1a/64", "2001:db8::1/128"),
	} {
		if got := pickGlobal6(in).String(); got != want {
			t.Errorf("of %v picked %s, want %s", in, got, want)
		}
	}
}
