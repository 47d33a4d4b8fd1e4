package proxy

import (
	"crypto/tls"
	"io"
	"net/http"

	"github.com/steelyard-lb/steelyard/ingress/cert"
)

// ApplyChallenges answers from now on the questions of certificate authorities
// that c knows, before routes are asked. It may be called beside Apply.
func (p *Proxy) ApplyChallenges(c *cert.Challenges) { p.challenges.Store(c) }

// prove answers a request that is such a question, and tells whether it was one.
func (p *Proxy) prove(w http.ResponseWriter, r *http.Request) bool {
	proof, ok := p.challenges.Load().Answer(r.Method, r.Host, r.URL.Path)
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream") // as RFC 8555 section 8.3 has it
	h.Set("Server", serverName)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, proof)
	}
	return true
}

// handshake chooses how to meet a TLS client: nil is as always.
func (p *Proxy) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	return p.challenges.Load().Handshake(hello), nil
}

// proven ends a connection whose handshake was all that it was for (RFC 8737
// section 3).
func proven(_ *http.Server, c *tls.Conn, _ http.Handler) { _ = c.Close() }
