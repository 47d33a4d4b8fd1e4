package accesslog

import (
	"net/netip"
	"time"
)

// Record is a request that is over.
type Record struct {
	Time   time.Time     // when its head had come
	Took   time.Duration // from then until the end of its answer
	Client netip.Addr    // who sent it

	// As the client wrote them; any may be empty, Target with its query if there is one.
	Method, Host, Target, Agent, Referer []byte

	ID       []byte // X-Request-Id, as the backend had it
	Protocol Protocol
	Secure   bool   // it came over TLS
	Status   int    // of the answer; 499 if the client did not wait for it
	Sent     int64  // bytes of the answer's body, or of what followed an upgrade
	Rule     string // what led it to whom: namespace/name of an Ingress; "" if nothing
	Pool     string // whom: namespace/name:port of a Service; "" if nobody
	Backend  string // the endpoint that was asked last; "" if none was
	Tries    int    // on how many connections to endpoints it was tried
	Fault    string // why we answered ourselves; "" if we did not
}

// ClientGone is the status of a request whose client went before it had an answer.
// nginx made it known.
const ClientGone = 499

// Protocol is the version of HTTP that a client spoke.
type Protocol uint8

// The protocols.
const (
	HTTP10 Protocol = iota
	HTTP11
	HTTP2
)

// String is as a request line has it.
func (p Protocol) String() string {
	return [...]string{"HTTP/1.0", "HTTP/1.1", "HTTP/2.0"}[min(p, HTTP2)]
}
