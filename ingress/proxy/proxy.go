package proxy

import (
	"crypto/tls"
	"errors"
	"net/http/httputil"
	"sync/atomic"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// Certificates chooses a certificate for a TLS client. It is never changed
// after it was applied.
type Certificates interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Proxy serves one routing table at a time. Make it with [New], give it a
// table by [Proxy.Apply], and let [Proxy.Run] own its goroutines.
type Proxy struct {
	opts      Options
	metrics   *metrics
	listeners []*listener
	reverse   *httputil.ReverseProxy
	state     atomic.Pointer[state] // nil until the first Apply

	challenges atomic.Pointer[cert.Challenges] // nil answers none

	draining atomic.Bool  // answers close their connections
	active   atomic.Int64 // requests under way, upgraded ones included
	upgraded atomic.Int64 // connections taken over, as by WebSockets
}

// New makes a Proxy and opens its listeners, so that an address that cannot
// be had is known at once. Nothing is accepted before [Proxy.Run]; until then
// clients wait in the kernel's queue.
func New(opts Options) (*Proxy, error) {
	p := &Proxy{opts: opts.withDefaults(), metrics: newMetrics(opts.Registerer)}
	var err error
	if p.listeners, err = listen(p.opts, p.metrics); err != nil {
		return nil, err
	}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      newUpstream(p.opts, p.metrics),
		ModifyResponse: nameServer,
		ErrorHandler:   fail,
		ErrorLog:       stdLogger(p.opts.Logger),
		BufferPool:     newBuffers(),
	}
	return p, nil
}

// Close gives up the listeners of a Proxy that is not going to run.
func (p *Proxy) Close() error {
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Addrs are the addresses that are listened on, those of HTTP first, in the
// order of the options.
func (p *Proxy) Addrs() (http, https []string) {
	for _, l := range p.listeners {
		if l.secure {
			https = append(https, l.Addr().String())
		} else {
			http = append(http, l.Addr().String())
		}
	}
	return http, https
}

// Apply serves from now on by table and certs. Requests under way are not
// disturbed. It must not be called by two goroutines at a time.
func (p *Proxy) Apply(table *route.Table, certs Certificates) {
	next := newState(table, certs, p.state.Load())
	p.state.Store(next)
	hosts, routes := table.Size()
	level.Debug(p.opts.Logger).Log("msg", "table applied", "hosts", hosts, "routes", routes, "endpoints", len(next.endpoints))
}

// getCertificate answers from the newest state.
func (p *Proxy) getCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := p.state.Load()
	if s == nil || s.certs == nil {
		return nil, errNoTable
	}
	return s.certs.GetCertificate(hello)
}

var errNoTable = errors.New("no table was applied yet")
