package translate

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// annotationProxy has TCP connections to backends begin with a header that names
// the client, annotationProxyFrom says who sends such headers to us.
const (
	annotationProxy     = "steelyard.io/proxy-protocol"
	annotationProxyFrom = annotationProxy + "-from"
)

// proxyProtocol reads which version of the PROXY protocol the backends of s speak.
// If that cannot be read they are taken for backends like all others: those that
// insist on a header refuse connections without one, and an event says why.
func proxyProtocol(f *faults, o *corev1.Service, s *config.Service) *config.ProxyProtocol {
	text, on := o.Annotations[annotationProxy]
	if !on {
		if _, from := o.Annotations[annotationProxyFrom]; from {
			f.add(fieldOf(annotationProxyFrom), ReasonNoEffect, "add "+annotationProxy+": v1 or v2", "does nothing by itself")
		}
		return nil
	}
	version, ok := map[string]uint8{"v1": 1, "v2": 2}[strings.TrimSpace(text)]
	switch {
	case !ok:
		f.add(fieldOf(annotationProxy), ReasonInvalid, "use v1 or v2", "%q is no version of the PROXY protocol; connections go to the backends without it", text)
	case s.Type != config.LoadBalancer && s.Type != config.NodePort:
		f.add(fieldOf(annotationProxy), ReasonNoEffect, "remove it, or use type LoadBalancer or NodePort",
			"Services of type %s are not forwarded by Steelyard", s.Type)
	case !slices.ContainsFunc(s.Ports, func(p config.ServicePort) bool { return p.Proto == config.TCP }):
		f.add(fieldOf(annotationProxy), ReasonNoEffect, "remove it", "the PROXY protocol is for TCP, and the Service has no TCP port")
	default:
		return &config.ProxyProtocol{Version: version, From: proxySources(f, o)}
	}
	return nil
}

// proxySources reads whose headers are believed. One that cannot be read is left
// out: nobody is believed by mistake.
func proxySources(f *faults, o *corev1.Service) (out []netip.Prefix) {
	text, given := o.Annotations[annotationProxyFrom]
	words := strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
	if given && len(words) == 0 {
		f.add(fieldOf(annotationProxyFrom), ReasonInvalid, "write the addresses of the proxies in front, or remove it", "names nobody")
	}
	for _, word := range words {
		p, err := netip.ParsePrefix(word)
		if addr, bad := netip.ParseAddr(word); bad == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			f.add(fieldOf(annotationProxyFrom), ReasonInvalid, "write addresses and CIDRs such as 192.0.2.0/24, with commas between",
				"cannot read %q; headers from there are not believed", word)
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}
