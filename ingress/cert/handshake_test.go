package cert

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Each kind of key completes a real handshake.
func TestHandshakes(t *testing.T) {
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		secret := secretOf(t, "s", kind, time.Now().Add(time.Hour), "a.test")
		store, problems := Build(Input{Ingresses: []*config.Ingress{ingress("i", "s a.test")}, Secrets: secrets(secret), Now: time.Now()})
		expectProblems(t, problems)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(secret.Chain)
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- tls.Server(far, &tls.Config{GetCertificate: store.GetCertificate}).Handshake() }()
		if err := tls.Client(near, &tls.Config{ServerName: "a.test", RootCAs: roots}).Handshake(); err != nil {
			t.Errorf("%s: client: %v", kind, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: server: %v", kind, err)
		}
		_, _ = near.Close(), far.Close()
	}
}
