package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// certs is a Certificates of tests, by exact server name.
type certs map[string]*tls.Certificate

func (c certs) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c[hello.ServerName] == nil {
		return nil, errors.New("no certificate")
	}
	return c[hello.ServerName], nil
}

func newCert(t *testing.T, name string, roots *x509.CertPool) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func tlsClient(c net.Conn, r *rig) net.Conn {
	return tls.Client(c, &tls.Config{ServerName: "a.test", RootCAs: r.roots})
}
