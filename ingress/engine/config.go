package engine

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"

	"github.com/steelyard-lb/steelyard/ingress/balance"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// Router says what becomes of a request; ok is false if there is no route for it.
// host is as the client wrote it, perhaps with a port; path is in the normal form
// of [github.com/steelyard-lb/steelyard/ingress/http.CleanPath], which is what
// the backend will be asked for. All three are good for the time of the call alone.
// Any number of goroutines may ask at once.
type Router interface {
	Route(method, host, path string) (to Decision, ok bool)
}

// Decision is what becomes of a request.
type Decision struct {
	Pool   int          // who serves it: an index in Pools of the same [Config]
	Rule   string       // by which, in the access log, such as namespace/name
	Answer *http.Answer // what is answered instead; nil: nothing

	// Canary has some of the requests led to CanaryPool, if there is an endpoint; nil: none.
	Canary     *policy.Policy
	CanaryPool int

	// Policy is what is done with requests and answers besides; nil: nothing. The
	// rest is for policies.
	Policy    *policy.Policy
	Certified bool   // there is a certificate for the host
	Decoded   string // the path without escapes, save %2F and %25
}

// Config is all that requests depend on. Nothing of it is changed once it was
// applied.
type Config struct {
	Router Router
	Pools  []Pool

	// Trusted are the peers, proxies before us, whose X-Forwarded-For, -Host,
	// -Port, -Proto and Forwarded are believed; of all others they are dropped.
	Trusted []netip.Prefix

	TLS TLS // for listeners that speak it

	// MaxBody bounds the bytes of a request's body: 413. 0: no bound.
	MaxBody int64
}

// Pool is who can serve what routes lead to it.
type Pool struct {
	Name      string // in logs, such as namespace/service:port
	Endpoints []netip.AddrPort
	Protocol  Protocol    // that they speak
	TLS       *BackendTLS // by which they are met; nil: none
	Policy    balance.Policy
	// Secret, if there is one, has clients come back to one endpoint, by the cookies of
	// policies: see [balance.Spec].
	Secret string
	// Fault says to a client why there is no endpoint; "": none is ready.
	Fault string
}

// Protocol is a version of HTTP that endpoints speak.
type Protocol uint8

// The protocols. HTTP/2 is by ALPN over TLS, and with prior knowledge without.
const (
	HTTP1 Protocol = iota
	HTTP2
)

// BackendTLS is how endpoints are met over TLS. Two that are equal, pointers
// included, share connections.
type BackendTLS struct {
	Name        string           // that is asked for, and certificates have to be for; "": their address
	Roots       *x509.CertPool   // who has to have signed them; nil: those that this host trusts
	Certificate *tls.Certificate // ours, for those who ask; nil: none
	Insecure    bool             // certificates are not looked at
}
