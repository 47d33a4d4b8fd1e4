package proxy

import (
	"bufio"
	"context"
	"net"
	"net/http"

	"github.com/steelyard-lb/steelyard/ingress/route"
)

// exchange is one request on its way: what was decided about it so far.
type exchange struct {
	id       string // X-Request-Id
	route    *route.Route
	pool     *pool
	endpoint *endpoint // the one asked last; nil if none was
	attempts int
	err      error // why an endpoint gave no answer
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// ask counts the request as under way at e and at no other endpoint.
func (x *exchange) ask(e *endpoint) {
	x.leave()
	e.inFlight.Add(1)
	x.endpoint = e
	x.attempts++
}

func (x *exchange) leave() {
	if x.endpoint != nil {
		x.endpoint.inFlight.Add(-1)
	}
}

// statusClientGone is what nginx made known for a client that did not wait.
const statusClientGone = 499

// recorder remembers what was answered. Flushing and the like pass through
// Unwrap.
type recorder struct {
	http.ResponseWriter
	proxy  *Proxy
	status int // 0 until the header is written
	bytes  int64
	taken  bool // the connection is the handler's own now
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(code int) {
	if code >= 200 && r.status == 0 { // before it, any number of 1xx
		r.status = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Hijack hands the connection over, as for a WebSocket.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.status, r.taken = http.StatusSwitchingProtocols, true
		r.proxy.upgraded.Add(1)
	}
	return c, rw, err
}
