package engine

import (
	"cmp"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/http/h2"
)

// Driver is a way to drive the machines of package ingress/http.
type Driver string

// The drivers do the same, in the eyes of others.
const (
	Loops      Driver = "loop"      // event loops, one for each processor, with goroutines for handshakes and for endpoints that speak TLS or HTTP/2
	Goroutines Driver = "goroutine" // one, or some, for each connection
)

// ParseDriver knows the drivers by their names.
func ParseDriver(name string) (Driver, error) {
	switch d := Driver(name); d {
	case Loops, Goroutines:
		return d, nil
	}
	return "", fmt.Errorf("driver %q: there are %s and %s", name, Loops, Goroutines)
}

// Options say how to serve. Zero values mean the defaults given.
type Options struct {
	Driver    Driver   // default [Loops]
	Listen    []string // addresses; ":8080" is every address, both families
	ListenTLS []string // addresses for HTTPS
	Logger    log.Logger
	AccessLog AccessLog
	// Registerer has the metrics registered; nil: they are not shown.
	Registerer prometheus.Registerer

	Limits http.Limits // of heads; default [http.DefaultLimits]
	HTTP2  h2.Limits   // of connections of HTTP/2; extended CONNECT is taken

	// The end: for Drain, go on accepting, with each answer closing its
	// connection, while the rest of the world learns that we leave; then, for Grace
	// at most, finish what was begun.
	Drain time.Duration // default none
	Grace time.Duration // default 20s

	Header time.Duration // for a client to send a whole head, and for its TLS handshake; default 15s
	Idle   time.Duration // of a client's connection between requests; default 75s
	Client time.Duration // for a client to take or send a piece of a body; default 60s

	Connect  time.Duration // to an endpoint; default 3s
	Response time.Duration // until the head of an endpoint's answer; default 60s
	Expect   time.Duration // for its word on Expect: 100-continue; then the client has ours; default 1s
	Between  time.Duration // between pieces of an endpoint's answer; default 60s
	Send     time.Duration // for an endpoint to take a piece of the request; default Between

	// Idle connections to endpoints: how many are kept for each (by loops, and
	// so many by goroutines), how long, and how old one may be that is used again.
	KeepIdle int           // default 512
	IdleFor  time.Duration // default 60s
	MaxAge   time.Duration // default 1h
}

func (o Options) withDefaults() Options {
	o.Driver = cmp.Or(o.Driver, Loops)
	o.Limits = cmp.Or(o.Limits, http.DefaultLimits())
	o.HTTP2 = o.HTTP2.WithDefaults()
	o.HTTP2.ExtendedConnect = true
	o.Grace = cmp.Or(o.Grace, 20*time.Second)
	o.Header = cmp.Or(o.Header, 15*time.Second)
	o.Idle = cmp.Or(o.Idle, 75*time.Second)
	o.Client = cmp.Or(o.Client, 60*time.Second)
	o.Connect = cmp.Or(o.Connect, 3*time.Second)
	o.Response = cmp.Or(o.Response, 60*time.Second)
	o.Expect = cmp.Or(o.Expect, time.Second)
	o.Between = cmp.Or(o.Between, 60*time.Second)
	o.Send = cmp.Or(o.Send, o.Between)
	o.KeepIdle = cmp.Or(o.KeepIdle, 512)
	o.IdleFor = cmp.Or(o.IdleFor, 60*time.Second)
	o.MaxAge = cmp.Or(o.MaxAge, time.Hour)
	if o.Logger == nil {
		o.Logger = log.NewNopLogger()
	}
	return o
}

const (
	// attempts bounds how many connections a request is tried on.
	attempts = 3
	// lookEvery is how often a client whose backend is silent is looked after.
	lookEvery = 2 * time.Second
	// lastWait is what is left of the patience with idle connections at the end.
	lastWait = time.Second
	// lostAfter is how long an endpoint of HTTP/2 may leave unacknowledged, in the sense
	// of TCP, what it is sent.
	lostAfter = 10 * time.Second
	// lingerFor is how long what a client still sends is thrown away, so that it
	// reads the answer that it did not wait for before its connection is reset.
	lingerFor = 2 * time.Second
)
