package gobgp

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func path(t *testing.T, length int, attrs ...proto.Message) *api.Path {
	t.Helper()
	p := &api.Path{}
	attrs = append(attrs, &api.AsPathAttribute{Segments: []*api.AsSegment{{Numbers: make([]uint32, length)}}})
	for _, a := range attrs {
		packed, err := anypb.New(a)
		if err != nil {
			t.Fatal(err)
		}
		p.Pattrs = append(p.Pattrs, packed)
	}
	return p
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func TestNextHopsOfTheShortestPaths(t *testing.T) {
	v4 := func(length int, hop string) *api.Path { return path(t, length, &api.NextHopAttribute{NextHop: hop}) }
	v6 := func(hops ...string) *api.Path { return path(t, 1, &api.MpReachNLRIAttribute{NextHops: hops}) }
	lost := v4(1, "192.0.2.9")
	lost.IsNexthopInvalid = true
	got := routes{}
	got.add(&api.Destination{Prefix: "198.51.100.1/32", Paths: []*api.Path{v4(2, "192.0.2.3"), v4(1, "192.0.2.2"), lost, v4(1, "192.0.2.1"), v4(1, "192.0.2.2")}})
	got.add(&api.Destination{Prefix: "2001:db8::1/128", Paths: []*api.Path{v6("2001:db8:1::2", "fe80::2"), v6("2001:db8:1::1")}})
	got.add(&api.Destination{Prefix: "198.51.100.2/32", Paths: []*api.Path{lost}})
	want := routes{
		netip.MustParsePrefix("198.51.100.1/32"): addrs("192.0.2.1", "192.0.2.2"),
		netip.MustParsePrefix("2001:db8::1/128"): addrs("2001:db8:1::1", "2001:db8:1::2"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestChanges(t *testing.T) {
	a, b, c := netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("198.51.100.2/32"), netip.MustParsePrefix("198.51.100.3/32")
	one, two := addrs("192.0.2.1"), addrs("192.0.2.1", "192.0.2.2")
	got := changes(routes{a: one, b: one, c: two}, routes{a: two, c: two})
	if len(got) != 2 || got[0].prefix != a || !slices.Equal(got[0].hops, two) || got[1].prefix != b || got[1].hops != nil {
		t.Errorf("got %v", got)
	}
}
