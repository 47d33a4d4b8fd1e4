package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

const (
	// ChallengePath begins the paths by which certificate authorities ask
	// (RFC 8555 section 8.3).
	ChallengePath = "/.well-known/acme-challenge/"
	// ChallengeProto is the protocol of handshakes by which they ask (RFC 8737).
	ChallengeProto = "acme-tls/1"
)

// Challenges are the questions of certificate authorities that are answered
// now, for orders that the controller has under way. It is immutable; nil
// answers nothing. What it does not know, such as a question that an Ingress of
// another ACME client answers, is for the routes.
type Challenges struct {
	answers map[question]string
	certs   map[string]*tls.Config // by host
}

type question struct{ host, token string }

// NewChallenges gathers what orders have to be answered. previous, which may be
// nil, spares making the certificates of TLS-ALPN-01 anew.
func NewChallenges(orders config.Table[config.Key, *config.Order], previous *Challenges, now time.Time) (*Challenges, error) {
	c := &Challenges{answers: map[question]string{}, certs: map[string]*tls.Config{}}
	for _, o := range orders.All() {
		for _, ch := range o.Challenges {
			switch ch.Type {
			case config.ChallengeHTTP:
				c.answers[question{ch.Host, ch.Token}] = ch.Answer
			case config.ChallengeALPN:
				conf, err := previous.config(ch, now)
				if err != nil {
					return nil, err
				}
				c.certs[ch.Host] = conf
			}
		}
	}
	return c, nil
}

// Answer is what is to be answered, with status 200, to a request for path at host,
// which may have a port; false if it is for the routes.
func (c *Challenges) Answer(method, host, path string) (string, bool) {
	if c == nil || len(c.answers) == 0 || method != "GET" && method != "HEAD" {
		return "", false
	}
	token, ok := strings.CutPrefix(path, ChallengePath)
	if !ok {
		return "", false
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon] // no host of an order is an IPv6 address
	}
	answer, ok := c.answers[question{strings.ToLower(strings.TrimSuffix(host, ".")), token}]
	return answer, ok
}

// Handshake is how to shake hands with a certificate authority that asks by
// TLS-ALPN-01; nil if hello is anything else. Once such a handshake is done the
// connection has served its purpose, and is to be closed.
func (c *Challenges) Handshake(hello *tls.ClientHelloInfo) *tls.Config {
	if c == nil || len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != ChallengeProto {
		return nil
	}
	return c.certs[strings.ToLower(hello.ServerName)]
}

// Len is how many questions are answered.
func (c *Challenges) Len() int {
	if c == nil {
		return 0
	}
	return len(c.answers) + len(c.certs)
}

// idPeAcmeIdentifier is the extension of RFC 8737 section 3.
var idPeAcmeIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

// config answers a challenge of TLS-ALPN-01, as before if c has done so.
func (c *Challenges) config(ch config.Challenge, now time.Time) (*tls.Config, error) {
	digest := sha256.Sum256([]byte(ch.Answer))
	value, err := asn1.Marshal(digest[:])
	if err != nil {
		return nil, fmt.Errorf("challenge of %s: %w", ch.Host, err)
	}
	proof := pkix.Extension{Id: idPeAcmeIdentifier, Critical: true, Value: value}
	if c != nil {
		if before := c.certs[ch.Host]; before != nil && proves(before, proof) {
			return before, nil
		}
	}
	cert, err := proofCertificate(ch.Host, proof, now)
	if err != nil {
		return nil, fmt.Errorf("challenge of %s: %w", ch.Host, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{ChallengeProto}, MinVersion: tls.VersionTLS12}, nil
}

func proves(c *tls.Config, proof pkix.Extension) bool {
	for _, e := range c.Certificates[0].Leaf.Extensions {
		if e.Id.Equal(proof.Id) {
			return string(e.Value) == string(proof.Value)
		}
	}
	return false
}

// proofCertificate is the certificate that RFC 8737 section 3 describes: for
// that host alone, and nobody has to trust it.
func proofCertificate(host string, proof pkix.Extension, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ACME challenge"}, DNSNames: []string{host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		ExtraExtensions: []pkix.Extension{proof},
	}
	return sign(template, key)
}
