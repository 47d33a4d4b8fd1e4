package config

import (
	"net/netip"
	"time"
)

// Proto is a transport protocol, spelled as Kubernetes spells it.
type Proto string

// The protocols of a Service port.
const (
	TCP  Proto = "TCP"
	UDP  Proto = "UDP"
	SCTP Proto = "SCTP"
)

// Family is an IP address family.
type Family uint8

// The two families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// FamilyOf tells the family of addr; an IPv4-mapped address counts as IPv4.
func FamilyOf(addr netip.Addr) Family {
	if addr.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// String is the name Kubernetes uses: IPv4 or IPv6.
func (f Family) String() string {
	if f == IPv4 {
		return "IPv4"
	}
	return "IPv6"
}

// FamilyPolicy is a Service's ipFamilyPolicy (KEP-563).
type FamilyPolicy string

// The family policies.
const (
	SingleStack      FamilyPolicy = "SingleStack"
	PreferDualStack  FamilyPolicy = "PreferDualStack"
	RequireDualStack FamilyPolicy = "RequireDualStack"
)

// ServiceType is a Service's spec.type.
type ServiceType string

// The Service types.
const (
	ClusterIP    ServiceType = "ClusterIP"
	NodePort     ServiceType = "NodePort"
	LoadBalancer ServiceType = "LoadBalancer"
	ExternalName ServiceType = "ExternalName"
)

// IPMode is status.loadBalancer.ingress[].ipMode (KEP-1860).
type IPMode string

// The IP modes. With VIP (or none) kube-proxy programs the address as well,
// with Proxy it leaves it to the load balancer, that is, to our forwarder.
const (
	IPModeVIP   IPMode = "VIP"
	IPModeProxy IPMode = "Proxy"
)

// Service is a Kubernetes Service, cut to what Steelyard uses.
type Service struct {
	Key
	UID     string
	Created time.Time
	Labels  map[string]string
	Deleted bool // deletionTimestamp is set

	Type         ServiceType
	Class        string // spec.loadBalancerClass, "" if none
	Families     []Family
	FamilyPolicy FamilyPolicy
	ClusterIPs   []netip.Addr
	Ports        []ServicePort
	ExternalIPs  []netip.Addr // spec.externalIPs; see [ExternalIPs]
	Selector     map[string]string
	ExternalName string

	Local               bool          // externalTrafficPolicy: Local
	HealthCheckNodePort uint16        // 0 if none
	Affinity            time.Duration // sessionAffinity ClientIP timeout, 0 if off
	SourceRanges        []netip.Prefix
	NotReadyToo         bool // publishNotReadyAddresses
	// OtherProxy: the label service.kubernetes.io/service-proxy-name leaves
	// forwarding to somebody else, as it does with kube-proxy (KEP-2447).
	OtherProxy bool

	Want  Want         // what it asks of us
	Check *HealthCheck // of its backends, nil if they are not checked

	// ProxyProtocol is how TCP connections to its backends begin; nil: as those of
	// the clients do, and the kernel forwards them.
	ProxyProtocol *ProxyProtocol

	// Status as written to the API, in order.
	Addrs         []netip.Addr
	IPMode        IPMode
	AllocatedFrom string // annotation steelyard.io/ip-allocated-from-pool
	Conditions    []Condition
}

// Condition is the condition of that type, or nil.
func (s *Service) Condition(name string) *Condition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == name {
			return &s.Conditions[i]
		}
	}
	return nil
}

// Want is what a Service asks of the allocator, by spec and annotations.
type Want struct {
	Addrs    []netip.Addr // spec.loadBalancerIP or annotation load-balancer-ips
	Pool     string       // annotation address-pool
	ShareKey string       // annotation allow-shared-ip
	Problem  *Problem     // an unreadable request; nothing may be granted then
}

// ProxyProtocol is how a Service speaks the PROXY protocol. It does not change.
type ProxyProtocol struct {
	Version uint8 // that backends are sent, 1 or 2
	// From are those whose connections begin with a header themselves: proxies in
	// front, who are believed.
	From []netip.Prefix
}

// ServicePort is one port of a Service.
type ServicePort struct {
	Name     string
	Proto    Proto
	Port     uint16
	NodePort uint16 // 0 if none
}

// Condition is a condition on an object, as metav1.Condition without its
// book-keeping: the writer keeps transition time and observed generation.
type Condition struct {
	Type    string // such as steelyard.io/Allocated
	Status  bool
	Reason  string
	Message string
}
