package bgp

import (
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/steelyard-lb/steelyard/speaker/announce"
)

func packed(t *testing.T, msgs ...proto.Message) (out []*anypb.Any) {
	t.Helper()
	for _, m := range msgs {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func TestLearntOfAPath(t *testing.T) {
	hop := func(hops ...string) proto.Message { return &api.MpReachNLRIAttribute{NextHops: hops} }
	path := func(kind api.AsSegment_Type, numbers ...uint32) proto.Message {
		return &api.AsPathAttribute{Segments: []*api.AsSegment{{Type: kind, Numbers: numbers}}}
	}
	for name, c := range map[string]struct {
		router, prefix string
		attrs          []proto.Message
		hop            string // "": of no use
		length         int
		ok             bool
	}{
		"IPv4":                     {router4, "10.0.0.0/8", []proto.Message{&api.NextHopAttribute{NextHop: router4}, path(api.AsSegment_AS_SEQUENCE, 64501, 64502)}, router4, 2, true},
		"IPv6":                     {router6, "2001:db8::/32", []proto.Message{hop(router6, "fe80::1"), path(api.AsSegment_AS_SET, 64501, 64502)}, router6, 1, true},
		"by interface":             {"fe80::1%eth0", "2001:db8::/32", []proto.Message{hop("fe80::1")}, "fe80::1%eth0", 0, true},
		"IPv4 by interface":        {"fe80::1%eth0", "10.0.0.0/8", []proto.Message{hop("fe80::1")}, "fe80::1%eth0", 0, true},
		"on a link not known":      {router6, "2001:db8::/32", []proto.Message{hop("fe80::1")}, "", 0, true},
		"IPv4 in disguise":         {router4, "2001:db8::/32", []proto.Message{hop("::ffff:10.9.0.1")}, "", 0, true},
		"no next hop":              {router4, "10.0.0.0/8", nil, "", 0, true},
		"a confederation is short": {router4, "10.0.0.0/8", []proto.Message{&api.NextHopAttribute{NextHop: router4}, path(api.AsSegment_AS_CONFED_SEQUENCE, 1, 2)}, router4, 0, true},
		"back from our AS":         {router4, "10.0.0.0/8", []proto.Message{&api.NextHopAttribute{NextHop: router4}, path(api.AsSegment_AS_SEQUENCE, 64501, 64512)}, "", 0, false},
		"no prefix":                {router4, "10.0.0.0", nil, "", 0, false},
	} {
		got, ok := learntOf(c.prefix, &api.Path{Pattrs: packed(t, c.attrs...)}, 64512, netip.MustParseAddr(c.router))
		var want netip.Addr
		if c.hop != "" {
			want = netip.MustParseAddr(c.hop)
		}
		if ok != c.ok || ok && (got.NextHop != want || got.Length != c.length) {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
	got, ok := learntOf("10.0.0.0/8", &api.Path{Pattrs: packed(t, &api.MultiExitDiscAttribute{Med: 7}, &api.LocalPrefAttribute{LocalPref: 200})}, 64512, netip.MustParseAddr(router4))
	if !ok || got.MED != 7 || got.LocalPref != 200 {
		t.Errorf("%+v", got)
	}
}

// What is kept over a fall, and of it what is kept when the router is back.
func TestKeptOverAFall(t *testing.T) {
	v4, v6 := announce.Learnt{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, announce.Learnt{Prefix: netip.MustParsePrefix("2001:db8::/32")}
	graceful := func(flags4, flags6 uint32) comeback {
		return comebackOf(packed(t, &api.RouteRefreshCapability{}, &api.GracefulRestartCapability{Time: 60, Tuples: []*api.GracefulRestartCapabilityTuple{
			{Family: family4, Flags: flags4}, {Family: family6, Flags: flags6},
		}}))
	}
	helper := comebackOf(packed(t, &api.GracefulRestartCapability{Time: 60}))
	for name, c := range map[string]struct {
		before, after comeback
		why           string
		down, up      []announce.Learnt
	}{
		"forwards all":       {graceful(0, 0), graceful(forwardingKept, forwardingKept), KindLost, []announce.Learnt{v4, v6}, []announce.Learnt{v4, v6}},
		"forwards one":       {graceful(0, 0), graceful(forwardingKept, 0), KindLost, []announce.Learnt{v4, v6}, []announce.Learnt{v4}},
		"has not forwarded":  {graceful(0, 0), graceful(0, 0), KindLost, []announce.Learnt{v4, v6}, nil},
		"graceful no more":   {graceful(0, 0), comeback{}, KindLost, []announce.Learnt{v4, v6}, nil},
		"closed by us":       {graceful(0, 0), graceful(forwardingKept, forwardingKept), KindLocal, []announce.Learnt{v4, v6}, []announce.Learnt{v4, v6}},
		"helps others alone": {helper, helper, KindLost, nil, nil},
		"not graceful":       {comeback{}, comeback{}, KindLost, nil, nil},
		"a notification":     {graceful(0, 0), graceful(0, 0), KindNotification, nil, nil},
		"found dead":         {graceful(0, 0), graceful(0, 0), KindBFD, nil, nil},
		"too many":           {graceful(0, 0), graceful(0, 0), KindTooMany, nil, nil},
	} {
		s := &session{}
		s.set.server.learns, s.agreed.v4, s.agreed.v6 = true, true, true
		s.state.Learnt, s.agreed.again = []announce.Learnt{v4, v6}, c.before
		s.unlearn(Reason{Kind: c.why})
		if !slices.Equal(s.state.Learnt, c.down) || (s.kept != nil) != (len(c.down) > 0) {
			t.Errorf("%s: kept after the fall: %v", name, s.state.Learnt)
		}
		s.agreed.again = c.after
		s.resume()
		if !slices.Equal(s.state.Learnt, c.up) {
			t.Errorf("%s: kept when it is back: %v", name, s.state.Learnt)
		}
		s.ended(family6)
		if waits := len(s.pending) > 0; waits != c.after.said {
			t.Errorf("%s: waits for the end of IPv4: %t", name, waits)
		}
		if s.ended(family4); len(s.pending) > 0 {
			t.Errorf("%s: waits for %v after all was sent", name, s.pending)
		}
	}
}
