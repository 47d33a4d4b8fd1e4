package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// upstream sends requests to endpoints over one shared pool of connections.
type upstream struct {
	transport *http.Transport
	metrics   *metrics
}

// dialError is a failure before anything was sent: the request may go
// elsewhere without harm.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

func newUpstream(opts Options, m *metrics) *upstream {
	dialer := &net.Dialer{Timeout: opts.Connect}
	h1 := new(http.Protocols)
	h1.SetHTTP1(true)
	return &upstream{metrics: m, transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, dialError{fmt.Errorf("connect to endpoint: %w", err)}
			}
			return c, nil
		},
		Protocols:              h1,
		DisableCompression:     true, // what the client asked for is what it gets
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleConnTimeout,
		ResponseHeaderTimeout:  opts.Response,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxResponseHeader,
	}}
}

// RoundTrip sends the request to an endpoint of its pool and, if that one
// does not accept the connection, once to another one.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	var body *trackedBody
	if req.Body != nil {
		body = &trackedBody{body: req.Body}
	}
	for {
		e := x.pool.pick(x.endpoint, time.Now())
		x.ask(e)
		res, err := u.transport.RoundTrip(aim(req, e, body))
		if err == nil {
			return res, nil
		}
		if !errors.As(err, new(dialError)) || req.Context().Err() != nil {
			return nil, err
		}
		e.eject(time.Now())
		u.metrics.connectFailures.Inc()
		if x.attempts == 2 || len(x.pool.endpoints) == 1 || body.touched() {
			return nil, err
		}
		u.metrics.retries.Inc()
	}
}

// aim is a copy of the request for one endpoint. The URL's host decides where
// the transport connects to; the Host header is the client's.
func aim(req *http.Request, e *endpoint, body *trackedBody) *http.Request {
	to, url := *req, *req.URL
	url.Host = e.addr
	to.URL = &url
	if body != nil {
		to.Body = body
	}
	return &to
}

// trackedBody knows whether any of a request's body was taken. Closing it
// does nothing, for the transport closes the body of a failed attempt that is
// still needed for the next; the reverse proxy closes it in the end.
type trackedBody struct {
	body io.Reader
	read atomic.Bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.body.Read(p)
}

func (b *trackedBody) Close() error { return nil }

func (b *trackedBody) touched() bool { return b != nil && b.read.Load() }

// buffers lends the copy buffers of the reverse proxy.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([bufferSize]byte) }}}
}

func (b *buffers) Get() []byte { return b.pool.Get().(*[bufferSize]byte)[:] }

func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
