package proxy

import (
	"cmp"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
)

// Options say how to serve. Zero durations mean the defaults given.
type Options struct {
	HTTP  []string // addresses to answer HTTP on; ":8080" is every address, both families
	HTTPS []string // addresses to answer HTTPS on, HTTP/2 included

	Logger     log.Logger
	AccessLog  log.Logger // one line for each request; nil: none
	Registerer prometheus.Registerer

	// The end: for Drain, go on accepting while the rest of the world learns
	// that we leave; then, for Grace at most, finish what was begun.
	Drain time.Duration // default none
	Grace time.Duration // default 20s

	ReadHeader time.Duration // TLS handshake and request headers; default 15s
	Idle       time.Duration // kept-alive connections of clients; default 75s
	Connect    time.Duration // to an endpoint; default 3s
	Response   time.Duration // until an endpoint's response headers; default 60s
}

func (o Options) withDefaults() Options {
	o.Grace = cmp.Or(o.Grace, 20*time.Second)
	o.ReadHeader = cmp.Or(o.ReadHeader, 15*time.Second)
	o.Idle = cmp.Or(o.Idle, 75*time.Second)
	o.Connect = cmp.Or(o.Connect, 3*time.Second)
	o.Response = cmp.Or(o.Response, 60*time.Second)
	if o.Logger == nil {
		o.Logger = log.NewNopLogger()
	}
	return o
}

// Limits that keep one client or one backend from taking all memory, and the
// file descriptors of idle connections within reason.
const (
	maxRequestHeader  = 64 << 10
	maxResponseHeader = 1 << 20
	maxIdleConns      = 4096
	maxIdlePerHost    = 256
	idleConnTimeout   = 60 * time.Second
)
