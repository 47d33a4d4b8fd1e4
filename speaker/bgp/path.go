package bgp

import (
	"fmt"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

var (
	family4 = &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	family6 = &api.Family{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST}
)

// gracefulShutdown is the community 65535:0 (RFC 8326 §5).
const gracefulShutdown = 0xffff0000

// familyOf is the address family that carries prefix.
func familyOf(prefix netip.Prefix) *api.Family {
	if prefix.Addr().Is4() {
		return family4
	}
	return family6
}

// pathOf puts a route of our AS asn, and of this node with the address own, into GoBGP's terms. GoBGP itself moves the next hop into
// MP_REACH_NLRI where the family or an IPv6 next hop asks for it (RFC 4760,
// RFC 8950), and takes LOCAL_PREF out towards other ASes. The last choice of
// routers is a route with the community GRACEFUL_SHUTDOWN, and inside the AS
// with a LOCAL_PREF of 0 (RFC 8326 §4.1).
func pathOf(r announce.Route, asn uint32, own netip.Addr) (*api.Path, error) {
	msgs := []proto.Message{
		&api.OriginAttribute{Origin: 0}, // IGP
		&api.NextHopAttribute{NextHop: nextHop(r, own).String()},
	}
	if r.MED != 0 {
		msgs = append(msgs, &api.MultiExitDiscAttribute{Med: r.MED})
	}
	communities := r.Communities
	switch {
	case r.Last:
		communities = append([]uint32{gracefulShutdown}, communities...)
		msgs = append(msgs, &api.LocalPrefAttribute{LocalPref: 0})
	case r.LocalPref != 0:
		msgs = append(msgs, &api.LocalPrefAttribute{LocalPref: r.LocalPref})
	}
	if len(communities) > 0 {
		msgs = append(msgs, &api.CommunitiesAttribute{Communities: communities})
	}
	if len(r.Large) > 0 {
		msgs = append(msgs, &api.LargeCommunitiesAttribute{Communities: largeOf(r.Large)})
	}
	if r.Prepend > 0 { // GoBGP puts one more in front towards other ASes
		numbers := slices.Repeat([]uint32{asn}, int(r.Prepend))
		msgs = append(msgs, &api.AsPathAttribute{Segments: []*api.AsSegment{{Type: api.AsSegment_AS_SEQUENCE, Numbers: numbers}}})
	}
	if r.Weight > 0 {
		weight, err := anypb.New(linkBandwidth(r.Weight, asn))
		if err != nil {
			return nil, fmt.Errorf("encode weight of %s: %w", r.Prefix, err)
		}
		msgs = append(msgs, &api.ExtendedCommunitiesAttribute{Communities: []*anypb.Any{weight}})
	}
	path := &api.Path{Family: familyOf(r.Prefix), Pattrs: make([]*anypb.Any, len(msgs))}
	var err error
	if path.Nlri, err = anypb.New(&api.IPAddressPrefix{
		Prefix: r.Prefix.Addr().String(), PrefixLen: uint32(r.Prefix.Bits()),
	}); err != nil {
		return nil, fmt.Errorf("encode %s: %w", r.Prefix, err)
	}
	for i, m := range msgs {
		if path.Pattrs[i], err = anypb.New(m); err != nil {
			return nil, fmt.Errorf("encode attributes of %s: %w", r.Prefix, err)
		}
	}
	return path, nil
}

// endpointBandwidth stands for one endpoint, in bytes per second: 1 Mbit/s, so
// that 34,000 of them fit the 32 bits in which FRR counts.
const endpointBandwidth = 125_000

// linkBandwidth tells a weight as the link bandwidth extended community
// (draft-ietf-idr-link-bandwidth). It has room for an AS of 16 bits; AS_TRANS
// stands for a longer one (RFC 6793 §9).
func linkBandwidth(weight, asn uint32) *api.LinkBandwidthExtended {
	if asn > 65535 {
		asn = 23456
	}
	return &api.LinkBandwidthExtended{Asn: asn, Bandwidth: float32(weight) * endpointBandwidth}
}

// nextHop is the route's next hop: its own one, or else this node's address. As long
// as that is not known no router is told of the route.
func nextHop(r announce.Route, own netip.Addr) netip.Addr {
	switch {
	case r.NextHop.IsValid():
		return r.NextHop.Unmap()
	case own.IsValid():
		return own
	case r.Prefix.Addr().Is4():
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func largeOf(large []config.LargeCommunity) []*api.LargeCommunity {
	out := make([]*api.LargeCommunity, len(large))
	for i, l := range large {
		out[i] = &api.LargeCommunity{GlobalAdmin: l.Global, LocalData1: l.Local1, LocalData2: l.Local2}
	}
	return out
}
