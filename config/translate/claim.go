package translate

import (
	"net/netip"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

// ClaimName is the name of the L2Claim of addr: the address, IPv6 written out
// in full, with ':' as '-', so that it is always a valid object name.
func ClaimName(addr netip.Addr) string {
	return config.AddrName(addr)
}

// Claim translates an L2Claim; it is nil if the object has a problem.
func Claim(o *v1beta1.L2Claim) (*config.L2Claim, []config.Problem) {
	f := faultsOf(config.KindL2Claim, o)
	const remedy = "delete it; the owner of the address writes a new one"
	addr, err := parseAddr(o.Spec.Address)
	switch {
	case err != nil:
		f.add("spec.address", ReasonInvalid, remedy, "cannot read %q: %v", o.Spec.Address, err)
	case o.Name != ClaimName(addr):
		// two objects about one address would be two truths
		f.add("metadata.name", ReasonInvalid, remedy, "the claim of %v must be named %q", addr, ClaimName(addr))
	case o.Spec.Owner == "":
		f.add("spec.owner", ReasonInvalid, remedy, "the claim names no owner")
	}
	if f.any() {
		return nil, f.problems
	}
	return &config.L2Claim{
		Addr: addr, Owner: o.Spec.Owner, Previous: o.Spec.Previous,
		Epoch: o.Spec.Epoch, Since: o.Spec.Since.UTC(), Version: o.ResourceVersion,
		Interfaces: o.Spec.Interfaces, Wanted: o.Spec.Wanted,
	}, nil
}

// Speaker translates a SpeakerStatus, whose name is that of its node.
func Speaker(o *v1beta1.SpeakerStatus) *config.SpeakerStatus {
	s := &config.SpeakerStatus{Node: o.Name, Forwarder: "nft", ForwarderMessage: o.Status.Forwarder.Message}
	s.ForwarderReady = o.Status.Forwarder.State == config.ForwarderReady
	if o.Status.Forwarder.State == config.ForwarderOff || o.Status.Forwarder.State == "" {
		s.Forwarder = "off"
	}
	for _, r := range o.Status.Sessions {
		addr, _ := parseAddr(r.Address) // only shown
		s.Sessions = append(s.Sessions, config.SessionReport{
			Peer: r.Peer, Addr: addr, State: r.State, Since: r.Since.UTC(), Prefixes: int(r.Prefixes), LastDrop: r.LastDrop,
			ASN: r.ASN, BFD: bfdReport(r.BFD),
		})
	}
	for _, l := range o.Status.Interfaces {
		r := config.LinkReport{Name: l.Name}
		for _, text := range l.Subnets {
			if p, err := netip.ParsePrefix(text); err == nil {
				r.Subnets = append(r.Subnets, p)
			}
		}
		s.Links = append(s.Links, r)
	}
	for _, e := range o.Status.Exceptions {
		namespace, name, _ := strings.Cut(e.Service, "/")
		addr, _ := parseAddr(e.Address) // there may be none
		s.Exceptions = append(s.Exceptions, config.Exception{
			Service: config.Key{Namespace: namespace, Name: name}, Addr: addr, Reason: e.Reason, Message: e.Message})
	}
	return s
}

// ClaimedAddr is the address that the L2Claim of that name is about.
func ClaimedAddr(name string) (netip.Addr, error) {
	if !strings.Contains(name, ".") {
		name = strings.ReplaceAll(name, "-", ":")
	}
	return parseAddr(name)
}

func bfdReport(s *v1beta1.BFDStatus) config.BFDReport {
	if s == nil {
		return config.BFDReport{}
	}
	return config.BFDReport{State: s.State, Since: s.Since.UTC()}
}
