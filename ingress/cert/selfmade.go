package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// selfMadeLife is longer than any process lives, for it is never renewed.
const selfMadeLife = 10 * 365 * 24 * time.Hour

// SelfMade makes a default certificate that nobody trusts, so that a client
// without a certificate of its own name gets a clear answer and not a cut
// connection.
func SelfMade(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("default certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("default certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Steelyard default certificate", Organization: []string{"Steelyard"}},
		DNSNames:     []string{"default.steelyard.invalid"}, // RFC 2606: never a real host
		NotBefore:    now.Add(-time.Hour),                   // clocks differ
		NotAfter:     now.Add(selfMadeLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	c, err := sign(template, key)
	if err != nil {
		return nil, fmt.Errorf("default certificate: %w", err)
	}
	return c, nil
}

// sign makes a certificate that is its own issuer.
func sign(template *x509.Certificate, key *ecdsa.PrivateKey) (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
