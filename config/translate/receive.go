package translate

import (
	"fmt"
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

// everything is what mode all takes.
var everything = []config.Received{
	{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Longest: 32},
	{Prefix: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Longest: 128},
}

// peerReceives reads what of the router's routes is used.
func peerReceives(f *faults, p *config.Peer, s *v1beta1.BGPPeerSpec) {
	if s.ToReceive == nil {
		return
	}
	const field = "spec.toReceive"
	if s.VRF != "" {
		f.add(field, ReasonInvalid, "remove toReceive or vrf", "routes are put into the main table, where those of a router in VRF %s have no place", s.VRF)
	}
	allowed := s.ToReceive.Allowed
	switch {
	case allowed.Mode == "all" && len(allowed.Prefixes) > 0:
		f.add(field+".allowed.mode", ReasonInvalid, "remove prefixes, or use mode filtered", "mode all takes every prefix, not those listed alone")
	case allowed.Mode == "all":
		p.ToReceive = everything
	case allowed.Mode != "" && allowed.Mode != "filtered":
		f.add(field+".allowed.mode", ReasonInvalid, "use all or filtered", "%q is unknown", allowed.Mode)
	}
	for i, sel := range allowed.Prefixes {
		r, err := received(sel)
		if err != nil {
			f.add(fmt.Sprintf("%s.allowed.prefixes[%d]", field, i), ReasonInvalid,
				"write a network such as 10.0.0.0/8, and ge and le from its length to that of an address, ge first", "%v", err)
			continue
		}
		p.ToReceive = append(p.ToReceive, r)
	}
}

// received reads one of the allowed prefixes. With ge alone every longer one is
// taken, as in FRR's prefix lists.
func received(sel v1beta1.PrefixSelector) (config.Received, error) {
	prefix, err := netip.ParsePrefix(sel.Prefix)
	if err != nil {
		return config.Received{}, fmt.Errorf("cannot read %q: %w", sel.Prefix, err)
	}
	if prefix != prefix.Masked() || prefix.Addr().Is4In6() {
		return config.Received{}, fmt.Errorf("%v is no network: the first address of it is %v", prefix, prefix.Masked().Addr())
	}
	own, whole := int32(prefix.Bits()), int32(prefix.Addr().BitLen())
	shortest, longest := own, own
	if sel.GE != nil {
		shortest, longest = *sel.GE, whole
	}
	if sel.LE != nil {
		longest = *sel.LE
	}
	if shortest < own || longest > whole || shortest > longest {
		return config.Received{}, fmt.Errorf("no prefix inside %v has a length from %d to %d", prefix, shortest, longest)
	}
	return config.Received{Prefix: prefix, Shortest: uint8(shortest), Longest: uint8(longest)}, nil
}
