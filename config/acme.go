package config

import (
	"crypto/sha256"
	"fmt"
	"time"
)

// OrderState is how far an [Order] is.
type OrderState string

// The states of an [Order].
const (
	OrderPending OrderState = "Pending" // it is under way, or about to be
	OrderFailed  OrderState = "Failed"  // it failed and is tried again, not before Order.Retry
	OrderIssued  OrderState = "Issued"  // the certificate was issued and written
)

// Order is what is remembered of the effort to get one certificate by ACME
// (RFC 8555). It outlives every leader: what was asked of the certificate
// authority, with which key, how often, and when it may be asked again.
type Order struct {
	Key                  // of the Secret that remembers it
	Certificate Key      // the Secret that the certificate is for
	Hosts       []string // lower case, sorted
	State       OrderState
	Directory   string // URL of the certificate authority's directory
	URL         string // of the order there; "": none was made yet
	PrivateKey  []byte // PEM, of the certificate that is being ordered

	Challenges []Challenge // that replicas answer now

	Begun  []time.Time // when orders were begun in the last week, oldest first
	Issued []time.Time // when certificates for these very hosts were issued in the last week, oldest first
	Fails  int         // in a row
	Retry  time.Time   // of a failed one: not before
	Fault  string      // of a failed one: what the certificate authority said, for a person
}

// The types of challenges that replicas answer.
const (
	ChallengeHTTP = "http-01"     // RFC 8555 section 8.3
	ChallengeALPN = "tls-alpn-01" // RFC 8737
)

// Challenge is how a certificate authority makes sure that a host is ours.
type Challenge struct {
	Type   string // [ChallengeHTTP] or [ChallengeALPN]
	Host   string // lower case
	Token  string // that it asks for, by HTTP
	Answer string // the key authorization (RFC 8555 section 8.1)
}

// OrderKey is the key of the Secret, in Steelyard's namespace, that remembers
// the order for a certificate.
func OrderKey(namespace string, certificate Key) Key {
	return Key{Namespace: namespace, Name: "acme-order-" + digest(certificate.String())}
}

// AccountKey is the key of the Secret, in Steelyard's namespace, that holds the
// account at the certificate authority with that directory.
func AccountKey(namespace, directory string) Key {
	return Key{Namespace: namespace, Name: "acme-account-" + digest(directory)}
}

// digest is a part of a name that is as good as s, which may be too long for one.
func digest(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))[:16] }
