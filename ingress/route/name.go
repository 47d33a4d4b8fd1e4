package route

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Answer is what the name of an ExternalName Service stands for.
type Answer struct {
	Addrs []netip.Addr // sorted, without duplicates
	Fault string       // why there are none; "" if there are
}

// Range is a part of the address space and what lies there, such as "Pods".
type Range struct {
	Prefix netip.Prefix
	What   string
}

// Guard says which addresses the name of an ExternalName Service may stand for.
// Whoever may make Services could otherwise have this proxy talk to what only
// the cluster's own network reaches. A nil Guard refuses every name.
type Guard struct {
	Refused []Range        // besides those that are never a backend outside
	Allowed []netip.Prefix // in spite of that
}

// reserved are the ranges that no backend outside the cluster has.
var reserved = []Range{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host (RFC 1122)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where clouds have their metadata"},
	{netip.MustParsePrefix("100.100.100.200/32"), "a cloud's metadata"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata"},
	{netip.MustParsePrefix("192.0.0.192/32"), "a cloud's metadata"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112), broadcast"},
	{netip.MustParsePrefix("::/127"), "loopback"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "a cloud's metadata"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "a cloud's metadata"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// embedding are the IPv6 ranges whose addresses lead to an IPv4 address, with
// the byte at which that stands (RFC 6052 section 2.1, RFC 3056, RFC 4291).
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// Refuses says what lies at addr that no name may stand for; "" if it may.
func (g *Guard) Refuses(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.Allowed {
		if p.Contains(addr) {
			return ""
		}
	}
	for _, list := range [][]Range{g.Refused, reserved} {
		for _, r := range list {
			if r.Prefix.Contains(addr) {
				return r.What
			}
		}
	}
	if inner, ok := embedded(addr); ok {
		return g.Refuses(inner)
	}
	return ""
}

// embedded is the IPv4 address that an IPv6 address leads to.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	for _, e := range embedding {
		if e.prefix.Contains(addr) {
			bytes := addr.As16()
			return netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])), true
		}
	}
	return netip.Addr{}, false
}

// addrs are the addresses of an answer that are acceptable. If there is none,
// why says so.
func (g *Guard) addrs(name string, a *Answer) (ok []netip.Addr, why string) {
	if a.Fault != "" {
		return nil, fmt.Sprintf("%s cannot be resolved: %s", name, a.Fault)
	}
	for _, addr := range a.Addrs {
		if what := g.Refuses(addr); what == "" {
			ok = append(ok, addr)
		} else {
			why = fmt.Sprintf("%s is %v, which is refused: %s", name, addr, what)
		}
	}
	if len(ok) > 0 {
		why = ""
	}
	return ok, why
}

// badName says what is wrong with a Service because of the name that it stands
// for; nil if nothing is, or it is none of that type.
func (e *edit) badName(ing *config.Ingress, svc *config.Service, back config.IngressBackend, field string) *config.Problem {
	if svc.Type != config.ExternalName {
		return nil
	}
	if e.in.Guard == nil {
		return nameRefused(ing, back, field, "such are switched off here",
			"use a Service without a selector and an EndpointSlice with the addresses")
	}
	answer, known := e.in.Names.Get(svc.ExternalName)
	if !known {
		return nil // not asked yet, or never by this process
	}
	if _, why := e.in.Guard.addrs(svc.ExternalName, answer); why != "" {
		return nameRefused(ing, back, field, why,
			"name a host outside the cluster, or have its addresses allowed by whoever runs the ingress")
	}
	return nil
}

// named are the endpoints that a name stands for; none while it is not resolved.
func (e *edit) named(name string, port uint16) []netip.AddrPort {
	answer, known := e.in.Names.Get(name)
	if !known {
		return nil
	}
	addrs, _ := e.in.Guard.addrs(name, answer)
	out := make([]netip.AddrPort, len(addrs))
	for i, addr := range addrs {
		out[i] = netip.AddrPortFrom(addr, port)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}
