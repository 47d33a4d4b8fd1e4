package config

import (
	"net/netip"
	"time"
)

// PathType is the type of an Ingress path.
type PathType string

// The path types of networking.k8s.io/v1.
const (
	PathExact                  PathType = "Exact"
	PathPrefix                 PathType = "Prefix"
	PathImplementationSpecific PathType = "ImplementationSpecific"
)

// Ingress is a networking.k8s.io/v1 Ingress of our class.
type Ingress struct {
	Key
	UID     string
	Created time.Time
	Rules   []IngressRule
	Default *IngressBackend // without a Service: it cannot be served
	TLS     []IngressTLS
	Status  []netip.Addr // status.loadBalancer as written
	ACME    bool         // certificates for its TLS entries are to be ordered
	// Settings are the names of its annotations that are meant for an Ingress
	// controller, sorted.
	Settings []string
	Policy   *IngressPolicy // what they ask for; nil: nothing
}

// IngressRule is one host and path to one backend; rules with several paths
// become several of these.
type IngressRule struct {
	Host    string // lower case; "" for any host; "*.x" for one label
	Path    string
	Type    PathType
	Backend IngressBackend
	Field   string // where it stands in the object, such as spec.rules[0].http.paths[1] or spec.rules[0]
}

// IngressBackend names a Service port, by number or by name.
type IngressBackend struct {
	Service  Key
	Port     uint16 // 0 if named
	PortName string
	Protocol BackendProtocol
	Sticky   bool // clients come back to one endpoint
}

// IngressTLS names the Secret that holds the certificate of some hosts; the zero Key
// stands for the default certificate.
type IngressTLS struct {
	Hosts  []string
	Secret Key
}

// Certificate is a Secret of type kubernetes.io/tls. Chain and key are PEM.
type Certificate struct {
	Key
	Chain, PrivateKey []byte
	Managed           bool   // ours to replace: it came by ACME
	Revoke            string // the reason for which it is to be revoked and replaced (RFC 5280 section 5.3.1); "": it is not
}
