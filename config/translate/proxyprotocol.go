package translate

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// annotationProxy has TCP connections to backends begin with a header that names
// the client.
const annotationProxy = "steelyard.io/proxy-protocol"

// proxyProtocol reads which version of the PROXY protocol the backends of s speak.
// If that cannot be read they are taken for backends like all others: those that
// insist on a header refuse connections without one, and an event says why.
func proxyProtocol(f *faults, o *corev1.Service, s *config.Service) uint8 {
	text, on := o.Annotations[annotationProxy]
	if !on {
		return 0
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
		return version
	}
	return 0
}
