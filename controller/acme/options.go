package acme

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/controller/issuance"
)

// LetsEncrypt is the directory of Let's Encrypt.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Store is all that an [Issuer] asks of the API. Event must not block.
type Store interface {
	ListOrders(ctx context.Context, namespace string) ([]*config.Order, error)
	PutOrder(ctx context.Context, o *config.Order) error
	DeleteOrder(ctx context.Context, key config.Key) error
	Account(ctx context.Context, namespace, directory string, fresh []byte) ([]byte, error)
	ReadCertificate(ctx context.Context, key config.Key) (*config.Certificate, error)
	PutCertificate(ctx context.Context, c *config.Certificate) error
	Event(about config.Ref, uid string, warning bool, reason, message string)
}

// KeyType is of the keys of certificates.
type KeyType string

// The types of keys.
const (
	ECDSA KeyType = "ecdsa" // P-256
	RSA   KeyType = "rsa"   // 2048 bits
)

// Options say where certificates come from. Zero durations and numbers mean
// the defaults given.
type Options struct {
	Namespace string // Steelyard's own, where accounts and orders are remembered

	Directory string         // URL; default [LetsEncrypt]
	Roots     *x509.CertPool // who may have signed the directory's certificate; nil: those that this host trusts
	Contact   string         // e-mail address that the certificate authority may write to; may be empty
	// External account binding (RFC 8555 section 7.3.4), for certificate
	// authorities that ask for it; KeyID is empty if not.
	KeyID  string
	MACKey []byte

	Challenges []string // types, the preferred one first; default HTTP-01, then TLS-ALPN-01
	Key        KeyType  // default [ECDSA]
	Limits     issuance.Limits

	Parallel int           // orders driven at a time; default 4
	Settle   time.Duration // for all replicas to see what to answer, before the question is asked for; default 2s
	Patience time.Duration // with one order at a time; default 5m
}

// Validate tells what is wrong with the options.
func (o Options) Validate() error {
	if u, err := url.Parse(o.Directory); o.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("directory %q: write a URL that begins with https://", o.Directory)
	}
	for _, c := range o.Challenges {
		if c != config.ChallengeHTTP && c != config.ChallengeALPN {
			return fmt.Errorf("challenge %q: use %s or %s", c, config.ChallengeHTTP, config.ChallengeALPN)
		}
	}
	if o.Key != "" && o.Key != ECDSA && o.Key != RSA {
		return fmt.Errorf("key type %q: use %s or %s", o.Key, ECDSA, RSA)
	}
	if (o.KeyID == "") != (len(o.MACKey) == 0) {
		return errors.New("external account binding: give both the key's identifier and the key, or neither")
	}
	return nil
}

func (o Options) withDefaults() Options {
	o.Directory = cmp.Or(o.Directory, LetsEncrypt)
	if o.Challenges = slices.Clone(o.Challenges); len(o.Challenges) == 0 {
		o.Challenges = []string{config.ChallengeHTTP, config.ChallengeALPN}
	}
	o.Key = cmp.Or(o.Key, ECDSA)
	limits := issuance.DefaultLimits()
	o.Limits.Retry = cmp.Or(o.Limits.Retry, limits.Retry)
	o.Limits.MaxRetry = cmp.Or(o.Limits.MaxRetry, limits.MaxRetry)
	o.Limits.PerHour = cmp.Or(o.Limits.PerHour, limits.PerHour)
	o.Limits.Repeats = cmp.Or(o.Limits.Repeats, limits.Repeats)
	o.Parallel = cmp.Or(o.Parallel, 4)
	o.Settle = cmp.Or(o.Settle, 2*time.Second)
	o.Patience = cmp.Or(o.Patience, 5*time.Minute)
	return o
}
