package config

import (
	"net/netip"
	"reflect"
	"time"
)

// IngressPolicy is what the annotations of an Ingress ask of all its paths. A
// zero field asks for nothing. It is never changed.
type IngressPolicy struct {
	// Closed says which annotation that keeps clients out cannot be obeyed: all
	// paths answer 503 rather than being open. "": none.
	Closed string
	// Nginx gives paths the meaning that ingress-nginx gave them: regular
	// expressions do not tell upper from lower case, and one Ingress of a host
	// that has some makes all paths of that host some.
	Nginx bool

	HTTPS    HTTPSRedirect
	Redirect *Redirect // of all requests; nil: none
	AppRoot  string    // where requests for / are sent, by 302
	WWW      bool      // www.HOST is sent to HOST, or HOST to www.HOST, whichever no rule names
	Aliases  []string  // other names of the first rule's host, lower case

	Regexp        bool     // paths of type ImplementationSpecific are regular expressions
	Rewrite       string   // the path that the backend is asked for, with $1 to $9 of the expression; may have a query
	Host          Template // that the backend is asked for
	ForwardPrefix string   // value of X-Forwarded-Prefix

	Allow, Deny []netip.Prefix // clients; an empty Allow is everybody, Deny goes first

	Rates []RateLimit // all of which hold

	MaxBody  int64 // bytes of a request's body; [Unbounded]; 0: the default
	Timeouts IngressTimeouts

	HSTS   string // value of Strict-Transport-Security, over TLS
	Fields []Field
	CORS   *CORS

	Affinity *Affinity

	Canary *Canary // it is one; nil: it is not. Of the rest only the backend's protocol counts then
}

// Unbounded is an [IngressPolicy.MaxBody] without a bound.
const Unbounded = -1

// HTTPSRedirect says when requests without TLS are sent to the same place with it.
type HTTPSRedirect string

// When they are.
const (
	HTTPSNever  HTTPSRedirect = ""
	HTTPSIfTLS  HTTPSRedirect = "IfTLS"  // the host has a certificate
	HTTPSAlways HTTPSRedirect = "Always" // TLS may end before us
)

// Redirect answers requests with another place.
type Redirect struct {
	To   Template
	Code int // 300 to 308
}

// IngressTimeouts are those of requests to backends; 0 is the default.
type IngressTimeouts struct {
	Connect time.Duration // until a connection is open
	Read    time.Duration // until the answer begins, and between its pieces
	Send    time.Duration // between pieces of the request
}

// Field is a field of an HTTP message.
type Field struct{ Name, Value string }

// BackendProtocol is what endpoints speak; "" is HTTP/1.1.
type BackendProtocol string

// The protocols. Certificates of endpoints are not looked at.
const (
	BackendHTTPS BackendProtocol = "HTTPS" // HTTP/1.1 over TLS
	BackendGRPC  BackendProtocol = "GRPC"  // HTTP/2 without TLS, with prior knowledge
	BackendGRPCS BackendProtocol = "GRPCS" // HTTP/2 over TLS
)

// Equal tells whether p and o, either of which may be nil, ask for the same.
func (p *IngressPolicy) Equal(o *IngressPolicy) bool { return reflect.DeepEqual(p, o) }
