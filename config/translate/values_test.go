package translate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPoolValue(t *testing.T) {
	in := world(t, pool("a", "addresses: [203.0.113.5-203.0.113.9, 198.51.100.0/24], autoAssign: false, avoidBuggyIPs: true, serviceAllocation: {priority: 3, namespaces: [x], serviceSelectors: [{matchLabels: {b: c, a: d}}]}, "+
		"loadBalancerClasses: ['', x/y], state: Draining, strategy: LeastRecentlyUsed, reuseAfter: 10m, retain: 1h, onRemoval: Reallocate, sharedBetweenNamespaces: [s, t]"))
	got := Config(in).Pools[0]
	addr := netip.MustParseAddr
	want := &config.Pool{
		Name: "a", Created: time.Unix(1000, 0).UTC(), AvoidBuggyIPs: true,
		Ranges: []config.Range{{From: addr("198.51.100.0"), To: addr("198.51.100.255")}, {From: addr("203.0.113.5"), To: addr("203.0.113.9")}},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.5/32"),
			netip.MustParsePrefix("203.0.113.6/31"), netip.MustParsePrefix("203.0.113.8/31")},
		Allocation: &config.Allocation{Priority: 3, Namespaces: []string{"x"}, ServiceSelectors: []config.Selector{{Requirements: []config.Requirement{
			{Key: "a", Op: config.In, Values: []string{"d"}}, {Key: "b", Op: config.In, Values: []string{"c"}}}}}},
		Classes: config.Classes{"", "x/y"}, Draining: true, Strategy: config.LeastRecentlyUsed, OnRemoval: config.Reallocate,
		ReuseAfter: 10 * time.Minute, Retain: time.Hour, SharedBy: []string{"s", "t"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pool = %+v\nwant   %+v", got, want)
	}
	if p := Config(world(t, pool("a", p4))).Pools[0]; !p.AutoAssign || p.Allocation != nil || p.Draining ||
		p.Strategy != config.Lowest || p.OnRemoval != config.Keep || p.Remembers() {
		t.Errorf("defaults: %+v", p)
	}
}

func TestPeerTimers(t *testing.T) {
	for _, c := range []struct {
		spec            string
		hold, keepalive time.Duration
	}{
		{"", 90 * time.Second, 30 * time.Second},
		{", holdTime: 9s", 9 * time.Second, 3 * time.Second},
		{", keepaliveTime: 10s", 30 * time.Second, 10 * time.Second},
		{", holdTime: 9s, keepaliveTime: 9s", 9 * time.Second, 9 * time.Second},
	} {
		p := Config(world(t, peer("t", tor+c.spec))).Peers[0]
		if p.HoldTime != c.hold || p.KeepaliveTime != c.keepalive || p.Port != 179 {
			t.Errorf("%q: hold %v, keepalive %v, port %d", c.spec, p.HoldTime, p.KeepaliveTime, p.Port)
		}
	}
}

func TestPeerLimitsAndFamilies(t *testing.T) {
	p := Config(world(t, peer("t", tor))).Peers[0]
	if p.Hops != 0 || p.LocalASN != 0 || p.MaxPrefixes != 1000 || p.OneFamily || p.LongLived != 0 || p.ASN() != p.MyASN {
		t.Errorf("defaults: %+v", p)
	}
	p = Config(world(t, peer("t", tor+", ttlSecurity: 2, localASN: 7, maxPrefixes: 3, dualStackAddressFamily: false, "+
		"enableGracefulRestart: true, longLivedGracefulRestart: 1h"))).Peers[0]
	if p.Hops != 2 || p.ASN() != 7 || p.MaxPrefixes != 3 || !p.OneFamily || p.LongLived != time.Hour {
		t.Errorf("peer %+v", p)
	}
	for addr, carried := range map[string]bool{"192.0.2.7": true, "::ffff:192.0.2.7": true, "2001:db8::7": false} {
		if p.Carries(netip.MustParseAddr(addr)) != carried {
			t.Errorf("%s is carried: %v", addr, !carried)
		}
	}
	if p := Config(world(t, peer("t", tor+", disableMP: true"))).Peers[0]; !p.OneFamily {
		t.Error("disableMP leaves both families")
	}
}

func TestBGPAdvertisementValue(t *testing.T) {
	got := Config(world(t, badv("b", "communities: ['64512:1', 'large:1:2:4294967295'], localPref: 5"))).BGP[0]
	if got.Length4 != 32 || got.Length6 != 128 || got.LocalPref != 5 ||
		!slices.Equal(got.Communities, []uint32{64512<<16 | 1}) ||
		!slices.Equal(got.Large, []config.LargeCommunity{{Global: 1, Local1: 2, Local2: 4294967295}}) {
		t.Errorf("advertisement = %+v", got)
	}
}

// A name of a community is as good as its numbers; the older of two counts.
func TestNamedCommunities(t *testing.T) {
	out := Config(world(t, comm("z", "{name: gold, value: '64512:1'}")+"\n---\n"+
		comm("a", "{name: gold, value: '64512:2'}, {name: far, value: 'large:1:2:4294967295'}")+"\n---\n"+
		badv("names", "communities: [far, gold, '64512:3']")))
	got := out.BGP[0]
	if !slices.Equal(got.Communities, []uint32{64512<<16 | 1, 64512<<16 | 3}) ||
		!slices.Equal(got.Large, []config.LargeCommunity{{Global: 1, Local1: 2, Local2: 4294967295}}) {
		t.Errorf("advertisement = %+v", got)
	}
}

// A password is read, and only from a Secret it may be read from.
func TestPeerPassword(t *testing.T) {
	secret := "kind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {password: tiger}\n---\n"
	if p := Config(world(t, secret+peer("t", tor+", passwordSecret: {name: s}"))).Peers[0]; p.Password != "tiger" {
		t.Errorf("password %q", p.Password)
	}
}

func TestPeerReceives(t *testing.T) {
	receives := func(prefix string, shortest, longest uint8) config.Received {
		return config.Received{Prefix: netip.MustParsePrefix(prefix), Shortest: shortest, Longest: longest}
	}
	for spec, want := range map[string][]config.Received{
		"": nil,
		", toReceive: {allowed: {mode: filtered}}":                                                        nil,
		", toReceive: {allowed: {mode: all}}":                                                             {receives("0.0.0.0/0", 0, 32), receives("::/0", 0, 128)},
		", toReceive: {allowed: {prefixes: [{prefix: 10.0.0.0/8}]}}":                                      {receives("10.0.0.0/8", 8, 8)},
		", toReceive: {allowed: {prefixes: [{prefix: 10.0.0.0/8, ge: 16}]}}":                              {receives("10.0.0.0/8", 16, 32)},
		", toReceive: {allowed: {prefixes: [{prefix: 10.0.0.0/8, le: 24}]}}":                              {receives("10.0.0.0/8", 8, 24)},
		`, toReceive: {allowed: {prefixes: [{prefix: "fd00::/8", ge: 48, le: 64}, {prefix: 0.0.0.0/0}]}}`: {receives("fd00::/8", 48, 64), receives("0.0.0.0/0", 0, 0)},
	} {
		if got := Config(world(t, peer("t", tor+spec))).Peers[0].ToReceive; !slices.Equal(got, want) {
			t.Errorf("%q: %+v, want %+v", spec, got, want)
		}
	}
}

// Age is creation time, then name; the order in which objects are listed does
// not matter.
func TestConfigIsFairAndStable(t *testing.T) {
	in := world(t, pool("old", p4)+"\n---\n"+pool("young", p4)+"\n---\n"+pool("b", "addresses: [203.0.113.0/24]")+"\n---\n"+pool("a", "addresses: [203.0.113.0/24]"))
	same := metav1.NewTime(time.Unix(5000, 0))
	in.Pools[2].CreationTimestamp, in.Pools[3].CreationTimestamp = same, same
	want := Config(in)
	if got := names(want); !slices.Equal(got, []string{"a", "old"}) {
		t.Errorf("used %v, want a (by name) and old (by age)", got)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(in.Pools), func(i, j int) { in.Pools[i], in.Pools[j] = in.Pools[j], in.Pools[i] })
		if got := Config(in); !reflect.DeepEqual(got, want) {
			t.Fatalf("another order, another result:\n%+v\n%+v", got, want)
		}
	}
	if !slices.IsSortedFunc(want.Problems, func(a, b config.Problem) int { return a.Object.Key.Compare(b.Object.Key) }) {
		t.Errorf("problems are not sorted: %v", want.Problems)
	}
}

// prefixesOf against a slow twin that tries every address.
func TestPrefixesCoverARangeExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		a, b := byte(r.IntN(256)), byte(r.IntN(256))
		if a > b {
			a, b = b, a
		}
		rng := config.Range{From: netip.AddrFrom4([4]byte{192, 0, 2, a}), To: netip.AddrFrom4([4]byte{192, 0, 2, b})}
		count := 0
		for _, p := range prefixesOf(rng) {
			if p != p.Masked() {
				t.Fatalf("%v: %v has host bits", rng, p)
			}
			count += 1 << (32 - p.Bits())
			if x := rangeOf(p); !rng.Contains(x.From) || !rng.Contains(x.To) {
				t.Fatalf("%v: %v sticks out", rng, p)
			}
		}
		if count != int(b)-int(a)+1 {
			t.Fatalf("%v: %d addresses", rng, count)
		}
	}
	all := rangeOf(netip.MustParsePrefix("::/0"))
	if got := prefixesOf(all); len(got) != 1 || got[0].Bits() != 0 {
		t.Errorf("everything is %v", got)
	}
}

// overlapIn against a slow twin.
func TestOverlapIn(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
	for range 2000 {
		var list []config.Range
		for n := r.IntN(20); len(list) < 20; {
			end := n + r.IntN(10)
			list = append(list, config.Range{From: at(n), To: at(end)})
			n = end + 1 + r.IntN(20)
		}
		from := r.IntN(600)
		q := config.Range{From: at(from), To: at(from + r.IntN(30))}
		want := slices.IndexFunc(list, q.Overlaps)
		if i, clash := overlapIn(list, q); clash != (want >= 0) || clash && i != want {
			t.Fatalf("%v in %v: %d %v, want %d", q, list, i, clash, want)
		}
	}
}

func TestClaim(t *testing.T) {
	for addr, name := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::": "2001-0db8-0000-0000-0000-0000-0000-0000", "::1": "0000-0000-0000-0000-0000-0000-0000-0001",
	} {
		a := netip.MustParseAddr(addr)
		if got := ClaimName(a); got != name {
			t.Errorf("name of %s is %q", addr, got)
		}
		if back, err := ClaimedAddr(name); err != nil || back != a {
			t.Errorf("address of %s is %v, %v", name, back, err)
		}
		o := &v1beta1.L2Claim{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "7"},
			Spec: v1beta1.L2ClaimSpec{Address: addr, Owner: "n1", Previous: "n0", Epoch: 3}}
		c, problems := Claim(o)
		if len(problems) != 0 || c.Addr != a || c.Owner != "n1" || c.Previous != "n0" || c.Epoch != 3 || c.Version != "7" {
			t.Errorf("claim %+v, problems %v", c, problems)
		}
		o.Name = "by-hand"
		if c, problems := Claim(o); c != nil || len(problems) != 1 {
			t.Errorf("a second claim of %s is believed: %+v", addr, c)
		}
	}
	if _, problems := Claim(&v1beta1.L2Claim{Spec: v1beta1.L2ClaimSpec{Address: "x"}}); len(problems) != 1 {
		t.Errorf("problems = %v", problems)
	}
}

func TestSpeakerStates(t *testing.T) {
	for state, want := range map[string]string{config.ForwarderReady: "nft true", config.ForwarderNotReady: "nft false", config.ForwarderOff: "off false", "": "off false"} {
		o := &v1beta1.SpeakerStatus{Status: v1beta1.SpeakerStatusStatus{Forwarder: v1beta1.ForwarderStatus{State: state}}}
		if s := Speaker(o); fmt.Sprint(s.Forwarder, " ", s.ForwarderReady) != want {
			t.Errorf("%q: %+v, want %s", state, s, want)
		}
	}
}

func TestBFDProfileValue(t *testing.T) {
	out := Config(world(t, bfdp("all", "receiveInterval: 60, transmitInterval: 70, detectMultiplier: 4, passiveMode: true, minimumTtl: 200")+"\n---\n"+
		bfdp("none", "")+"\n---\n"+peer("a", tor+", bfdProfile: all")+"\n---\n"+peer("b", tor+", peerPort: 1790, bfdProfile: none")+"\n---\n"+peer("c", tor+", peerPort: 1791")))
	all := config.BFDProfile{Name: "all", Receive: 60 * time.Millisecond, Transmit: 70 * time.Millisecond, Multiplier: 4, Passive: true, MinTTL: 200}
	none := config.BFDProfile{Name: "none", Receive: 300 * time.Millisecond, Transmit: 300 * time.Millisecond, Multiplier: 3, MinTTL: 254}
	if len(out.Problems) > 0 || *out.Peers[0].BFD != all || *out.Peers[1].BFD != none || out.Peers[2].BFD != nil {
		t.Errorf("%+v\nprofiles %+v", out, out.BFD)
	}
}
