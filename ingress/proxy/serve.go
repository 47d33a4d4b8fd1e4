package proxy

import (
	"net"
	"net/http"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/route"
)

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	x := &exchange{id: requestID(r)}
	rec := &recorder{ResponseWriter: w, proxy: p}
	p.active.Add(1)
	p.metrics.inFlight.Inc()
	defer p.finish(rec, r, x, start) // also when the answer broke off with a panic
	if p.draining.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close") // over HTTP/2 it becomes a GOAWAY
	}
	r = exactTarget(r)
	if p.prove(rec, r) {
		return
	}
	if code, text := p.decide(r, x); code != 0 {
		answer(rec, code, text)
		return
	}
	if r.ProtoMajor == 1 && r.Body != http.NoBody {
		// A backend may answer before it has read everything; the answer must
		// not wait for the rest of the request, nor the rest be lost by it.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	p.reverse.ServeHTTP(rec, r.WithContext(withExchange(r.Context(), x)))
}

// decide finds the pool for a request, or the answer if there is none: a code
// and a text; the code is 0 if the request can be passed on.
func (p *Proxy) decide(r *http.Request, x *exchange) (int, string) {
	s := p.state.Load()
	if s == nil {
		return http.StatusServiceUnavailable, "this load balancer is starting and knows no routes yet"
	}
	if r.Method == http.MethodConnect || r.URL.Opaque != "" {
		return http.StatusBadRequest, "this is not a forward proxy"
	}
	// What is matched is what is sent on: the transport writes the same form.
	path, err := route.CleanPath(r.URL.EscapedPath())
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	rt, ok := s.table.Match(route.CleanHost(r.Host), path)
	if !ok {
		return http.StatusNotFound, "no Ingress has a rule for this host and path"
	}
	x.route, x.pool = rt, &s.pools[rt.Group]
	if len(x.pool.endpoints) == 0 {
		if s.table.GroupOf(rt).Fault != "" {
			return http.StatusServiceUnavailable, "the backend of this route is not set up; its Ingress says why"
		}
		return http.StatusServiceUnavailable, "the backend of this route has no ready endpoint"
	}
	return 0, ""
}

// finish counts and logs a request that is over.
func (p *Proxy) finish(rec *recorder, r *http.Request, x *exchange, start time.Time) {
	defer p.active.Add(-1)
	x.leave()
	if rec.taken {
		p.upgraded.Add(-1)
	}
	if rec.status == 0 {
		rec.status = statusClientGone // broken off before there was an answer
	}
	took := time.Since(start)
	p.metrics.inFlight.Dec()
	p.metrics.request(rec.status, took)
	if p.opts.AccessLog == nil {
		return
	}
	line := []any{
		"msg", "request", "peer", r.RemoteAddr, "method", r.Method, "host", r.Host,
		"path", r.URL.EscapedPath(), "proto", r.Proto, "code", rec.status, "bytes", rec.bytes,
		"ms", float64(took.Microseconds()) / 1000, "id", x.id,
	}
	if x.route != nil {
		line = append(line, "ingress", x.route.Ingress, "svc", x.route.Backend.Service)
	}
	if x.endpoint != nil {
		line = append(line, "addr", x.endpoint.addr, "attempts", x.attempts)
	}
	if x.err != nil {
		line = append(line, "err", x.err)
	}
	_ = p.opts.AccessLog.Log(line...)
}

// clientIP is the address of the peer without its port.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
