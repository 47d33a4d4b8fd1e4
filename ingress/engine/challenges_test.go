package engine

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"
)

// oneProof answers one name's challenge.
type oneProof struct{ config *tls.Config }

func (o oneProof) Handshake(hello *tls.ClientHelloInfo) *tls.Config {
	if hello.ServerName == "asked.test" && len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == challengeProto {
		return o.config
	}
	return nil
}

// A handshake that is a certificate authority's question is answered by the
// proof, and the connection ends with it; all others are met as always.
func TestHandshakesOfChallenges(t *testing.T) {
	r := start(t, Options{})
	ca := newAuthority(t)
	cfg := leadTo(origin(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	cfg.TLS.Certificates = (*one)(ca.issue(t, "shop.test"))
	proof := ca.issue(t, "asked.test")
	cfg.TLS.Challenges = oneProof{&tls.Config{Certificates: []tls.Certificate{*proof}, NextProtos: []string{challengeProto}}}
	r.Apply(cfg)
	addr := r.Addrs()[2]

	c, in := dialTLS(t, addr, &tls.Config{RootCAs: ca.pool(), ServerName: "asked.test", NextProtos: []string{challengeProto}})
	if got := c.ConnectionState().NegotiatedProtocol; got != challengeProto {
		t.Errorf("negotiated %q", got)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if b, err := in.ReadByte(); err == nil {
		t.Errorf("after the handshake comes %q", b)
	}
	c, _ = dialTLS(t, addr, &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test", NextProtos: []string{"h2"}})
	if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("a browser negotiated %q", got)
	}
}
