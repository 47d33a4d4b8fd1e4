package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard-lb/steelyard/controller/issuance"
)

// newKey makes a private key, and its PEM (PKCS #8).
func newKey(kind KeyType) (key crypto.Signer, text []byte, err error) {
	if kind == RSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// readKey reads what newKey wrote.
func readKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// request is a signing request (RFC 2986) for hosts.
func request(key crypto.Signer, hosts []string) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: hosts}, key)
	if err != nil {
		return nil, fmt.Errorf("make a signing request: %w", err)
	}
	return csr, nil
}

// check refuses a chain that clients would: nobody is shown what a confused
// certificate authority sends.
func check(chain [][]byte, key crypto.Signer, hosts []string, now time.Time) (text []byte, err error) {
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("the chain that came cannot be read: %w", err)
		}
		if i == 0 {
			if err := checkLeaf(c, key, hosts, now); err != nil {
				return nil, err
			}
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text, nil
}

func checkLeaf(c *x509.Certificate, key crypto.Signer, hosts []string, now time.Time) error {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(c.PublicKey):
		return errors.New("the certificate that came is for another key")
	case len(issuance.Missing(c, hosts)) > 0:
		return fmt.Errorf("the certificate that came is not for %v", issuance.Missing(c, hosts))
	case !now.Before(c.NotAfter):
		return fmt.Errorf("the certificate that came expired at %v", c.NotAfter)
	}
	return nil
}
