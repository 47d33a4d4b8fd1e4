package cert

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// ErrNoCertificate is what a client is refused with when there is not even a
// default certificate.
var ErrNoCertificate = errors.New("no certificate for this server name")

// Store holds certificates by server name. It is immutable once [Build] has
// returned it. A nil Store has no certificate.
type Store struct {
	exact    map[string]*tls.Certificate
	suffixes map[string]*tls.Certificate // "x" for the wildcard "*.x"
	fallback *tls.Certificate
	pairs    map[config.Key]pair // every Secret that was looked at
}

// pair is a Secret and what became of it.
type pair struct {
	from *config.Certificate
	cert *tls.Certificate // nil if err is set
	err  error
}

// GetCertificate chooses a certificate, as [tls.Config.GetCertificate].
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s == nil {
		return nil, ErrNoCertificate
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if c := s.exact[name]; c != nil {
		return c, nil
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		if c := s.suffixes[name[dot+1:]]; c != nil {
			return c, nil
		}
	}
	if s.fallback == nil {
		return nil, ErrNoCertificate
	}
	return s.fallback, nil
}

// Len is the number of server names, wildcards included, that have a
// certificate of their own.
func (s *Store) Len() int {
	if s == nil {
		return 0
	}
	return len(s.exact) + len(s.suffixes)
}

// load parses the pair of a Secret, or takes it from the store before.
func (s *Store) load(from *config.Certificate, before *Store) pair {
	if p, ok := s.pairs[from.Key]; ok {
		return p
	}
	p, ok := pair{}, false
	if before != nil {
		p, ok = before.pairs[from.Key]
	}
	if !ok || !sameBytes(p.from, from) {
		p.cert, p.err = Parse(from)
	}
	p.from = from
	s.pairs[from.Key] = p
	return p
}

func sameBytes(a, b *config.Certificate) bool {
	return a == b || bytes.Equal(a.Chain, b.Chain) && bytes.Equal(a.PrivateKey, b.PrivateKey)
}

// Parse reads the PEM pair of a Secret: a chain that begins with the leaf, and
// the leaf's private key, RSA, ECDSA or Ed25519. The error says which of the
// two does not fit.
func Parse(c *config.Certificate) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.Chain, c.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", c.Key, err)
	}
	return &pair, nil
}

// expired tells whether clients refuse a certificate because of its age.
func expired(c *tls.Certificate, now time.Time) bool {
	return now.After(c.Leaf.NotAfter)
}
