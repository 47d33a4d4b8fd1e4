package translate

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// labelProxyName, with any value, leaves a Service to another proxy.
const labelProxyName = "service.kubernetes.io/service-proxy-name"

// nobody is a source range that no client is in.
var nobody = netip.PrefixFrom(netip.IPv4Unspecified(), 32)

// Service translates a Service. Its request for addresses that cannot be read
// is in Want.Problem, since it is about the allocation; the Problems returned
// are about the rest.
func Service(o *corev1.Service) (*config.Service, []config.Problem) {
	f := faultsOf(config.KindService, o)
	spec := &o.Spec
	s := &config.Service{
		Key: keyOf(o), UID: string(o.UID), Created: o.CreationTimestamp.UTC(), Labels: o.Labels,
		Deleted: o.DeletionTimestamp != nil,
		Type:    config.ServiceType(spec.Type),
		Class:   value(spec.LoadBalancerClass), FamilyPolicy: config.FamilyPolicy(value(spec.IPFamilyPolicy)),
		ClusterIPs: clusterIPs(spec), ExternalIPs: externalIPs(spec), Selector: spec.Selector, ExternalName: spec.ExternalName,
		Affinity: affinity(spec), NotReadyToo: spec.PublishNotReadyAddresses,
		AllocatedFrom: o.Annotations[AnnotationAllocatedFrom],
	}
	_, s.OtherProxy = o.Labels[labelProxyName]
	if s.Type == "" {
		s.Type = config.ClusterIP // the documented default
	}
	if s.Type == config.LoadBalancer || s.Type == config.NodePort || s.Type == config.ClusterIP && len(s.ExternalIPs) > 0 {
		s.Local = spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
		s.HealthCheckNodePort = port(spec.HealthCheckNodePort)
	}
	s.Families = families(spec, s.ClusterIPs)
	s.SourceRanges = sourceRanges(f, spec.LoadBalancerSourceRanges)
	for _, p := range spec.Ports {
		s.Ports = append(s.Ports, config.ServicePort{
			Name: p.Name, Proto: proto(p.Protocol), Port: port(p.Port), NodePort: port(p.NodePort)})
	}
	if s.Type == config.LoadBalancer {
		s.Want = want(o)
	}
	s.Check = healthCheck(f, o, s)
	s.ProxyProtocol = proxyProtocol(f, o, s)
	serviceStatus(s, &o.Status)
	return s, f.problems
}

func value[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}

// port reads a port number; what is none becomes 0.
func port(n int32) uint16 {
	if n < 0 || n > 65535 {
		return 0
	}
	return uint16(n)
}

func proto(p corev1.Protocol) config.Proto {
	if p == "" {
		return config.TCP // the documented default
	}
	return config.Proto(p)
}

// clusterIPs leaves out "None", which a headless Service has.
func clusterIPs(spec *corev1.ServiceSpec) []netip.Addr {
	list := spec.ClusterIPs
	if len(list) == 0 {
		list = []string{spec.ClusterIP}
	}
	var out []netip.Addr
	for _, s := range list {
		if a, err := parseAddr(s); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// externalIPs leaves out what cannot be read: the API server refuses it.
func externalIPs(spec *corev1.ServiceSpec) []netip.Addr {
	var out []netip.Addr
	for _, s := range spec.ExternalIPs {
		if a, err := parseAddr(s); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// families are as the API says, else those of the ClusterIPs, else IPv4.
func families(spec *corev1.ServiceSpec, ips []netip.Addr) []config.Family {
	var out []config.Family
	for _, f := range spec.IPFamilies {
		switch f {
		case corev1.IPv4Protocol:
			out = append(out, config.IPv4)
		case corev1.IPv6Protocol:
			out = append(out, config.IPv6)
		}
	}
	if len(out) == 0 {
		for _, a := range ips {
			out = append(out, config.FamilyOf(a))
		}
	}
	if len(out) == 0 && spec.Type != corev1.ServiceTypeExternalName {
		out = []config.Family{config.IPv4}
	}
	return out
}

func affinity(spec *corev1.ServiceSpec) time.Duration {
	if spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	if c := spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		return time.Duration(*c.ClientIP.TimeoutSeconds) * time.Second
	}
	return 3 * time.Hour // the documented default
}

// sourceRanges never opens a Service to everybody because a range cannot be
// read: if none is left, nobody may come in.
func sourceRanges(f *faults, list []string) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range list {
		r, err := netip.ParsePrefix(strings.TrimSpace(s)) // the API server takes blanks
		if err != nil {
			f.add(fmt.Sprintf("spec.loadBalancerSourceRanges[%d]", i), ReasonInvalid,
				"write a CIDR such as 192.0.2.0/24", "cannot read %q: %v", s, err)
			continue
		}
		out = append(out, r.Masked())
	}
	if len(list) > 0 && len(out) == 0 {
		return []netip.Prefix{nobody}
	}
	return out
}

// serviceStatus reads what was written to the status. The mode is that of all
// addresses, or none if they differ.
func serviceStatus(s *config.Service, status *corev1.ServiceStatus) {
	for _, in := range status.LoadBalancer.Ingress {
		addr, err := parseAddr(in.IP)
		if err != nil {
			continue // a host name, or not ours
		}
		mode := config.IPMode(value(in.IPMode))
		if len(s.Addrs) > 0 && s.IPMode != mode {
			mode = ""
		}
		s.Addrs, s.IPMode = append(s.Addrs, addr), mode
	}
	s.Conditions = conditions(status.Conditions)
}
