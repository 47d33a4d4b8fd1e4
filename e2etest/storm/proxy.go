package storm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/probe"
)

// Faults are what a [Proxy] does to what passes. The zero value does nothing.
type Faults struct {
	// Least and Most bound the time that a request takes beyond what the API
	// server needs. Half of it passes before the server sees the request.
	Least, Most time.Duration
	// Watch is how late the bytes of watches arrive.
	Watch time.Duration
}

// String is for the log of a storm.
func (f Faults) String() string {
	return fmt.Sprintf("API %v-%v, watch %v", f.Least, f.Most, f.Watch)
}

// delay is how much longer one request takes.
func (f Faults) delay() time.Duration {
	if f.Most <= f.Least {
		return f.Least
	}
	return f.Least + rand.N(f.Most-f.Least)
}

// Upstream is the API server as a [Proxy] reaches it.
type Upstream struct {
	Server string // https://host:port
	Roots  *x509.CertPool
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Proxy stands between one client and the API server, by HTTPS on both sides.
// What a client has sent arrives, even if the client is dead by then: that is
// how networks are.
type Proxy struct {
	// CA is the certificate that clients must trust, in PEM.
	CA []byte

	upstream  *url.URL
	transport *http.Transport
	server    *http.Server

	mu     sync.Mutex // guards what follows
	faults Faults
	conns  map[net.Conn]bool
	writes []Write
}

// NewProxy makes a proxy that is reached as 127.0.0.1; nothing happens before
// [Proxy.Serve].
func NewProxy(up Upstream) (*Proxy, error) {
	target, err := url.Parse(up.Server)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	own, err := probe.NewCertificate(serverName)
	if err != nil {
		return nil, fmt.Errorf("make the proxy's certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(own.Cert, own.Key)
	if err != nil {
		return nil, fmt.Errorf("use the proxy's certificate: %w", err)
	}
	p := &Proxy{
		CA: own.Cert, upstream: target, conns: map[net.Conn]bool{},
		transport: &http.Transport{
			DialContext: up.Dial, TLSClientConfig: &tls.Config{RootCAs: up.Roots},
			ForceAttemptHTTP2: true, DisableCompression: true,
		},
	}
	p.server = &http.Server{
		Handler: p, ConnState: p.track,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}},
	}
	return p, nil
}

// serverName is the host that the proxy's certificate is for.
const serverName = "storm-proxy"

// Serve serves on l until it is closed or ctx ends.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	unhook := context.AfterFunc(ctx, func() { p.server.Close() })
	defer unhook()
	err := p.server.ServeTLS(l, "", "")
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("fault proxy: %w", err)
}

// Inject sets what is done to requests and watch bytes from now on.
func (p *Proxy) Inject(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

func (p *Proxy) injected() Faults {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// Cut drops every connection of the client. Requests that were sent still
// arrive.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close() // whoever reads or writes it sees that
	}
}

func (p *Proxy) track(conn net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.conns[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, conn)
	}
}

// ServeHTTP passes one request on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away before it had said all
	}
	delay := p.injected().delay()
	time.Sleep(delay / 2) // whatever becomes of the client: it is on its way
	watching := isWatch(r)
	ctx := r.Context()
	if !watching {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
	}
	answer, err := p.forward(ctx, r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if watching {
		p.stream(w, answer)
		return
	}
	text, err := io.ReadAll(answer.Body)
	p.note(r, answer.StatusCode)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	time.Sleep(delay - delay/2)
	copyHead(w, answer)
	w.Write(text) // the client may be gone; nobody else would want to know
}
