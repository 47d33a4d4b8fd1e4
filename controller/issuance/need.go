package issuance

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// leaf is what is in a certificate's Secret.
type leaf struct {
	cert *x509.Certificate // nil if err is set
	err  error
}

// leafOf parses a certificate once for as long as it does not change.
func (b *builder) leafOf(c *config.Certificate) leaf {
	l, ok := leaf{}, false
	if b.in.Previous != nil {
		l, ok = b.in.Previous.leaves[c]
	}
	if !ok {
		l.cert, l.err = parse(c)
	}
	b.plan.leaves[c] = l
	return l
}

func parse(c *config.Certificate) (*x509.Certificate, error) {
	pair, err := tls.X509KeyPair(c.Chain, c.PrivateKey)
	if err != nil {
		return nil, err
	}
	return pair.Leaf, nil
}

// need tells why a certificate has to be ordered, "" if it has not to be, and
// whether clients suffer until it is.
func (b *builder) need(w *want) (why string, urgent bool) {
	c, ok := b.in.Certificates.Get(w.certificate)
	if !ok {
		return "there is none", true
	}
	l := b.leafOf(c)
	if l.err == nil && (b.plan.Expiry.IsZero() || l.cert.NotAfter.Before(b.plan.Expiry)) {
		b.plan.Expiry = l.cert.NotAfter
	}
	why, urgent, next := judge(w.certificate, l, w.hosts, b.in.Now)
	if !c.Managed {
		if why != "" && urgent {
			b.tell(w, ReasonNotOurs, "delete the Secret to have it ordered, or remove the annotation that asks for ACME",
				"Secret %v did not come by ACME and is left alone, but %s", w.certificate, why)
		}
		return "", false
	}
	if c.Revoke != "" {
		if _, err := RevocationReason(c.Revoke); err == nil {
			return "it is to be revoked", true
		}
		b.plan.Problems = append(b.plan.Problems, unknownReason(c))
	}
	b.until(next)
	return why, urgent
}

// judge tells what is wrong with a certificate for hosts, "" if nothing is, and
// when that will be another answer.
func judge(key config.Key, l leaf, hosts []string, now time.Time) (why string, urgent bool, next time.Time) {
	if l.err != nil {
		return fmt.Sprintf("it cannot be used: %v", l.err), true, time.Time{}
	}
	if missing := Missing(l.cert, hosts); len(missing) > 0 {
		return "it is not for " + strings.Join(missing, ", "), true, time.Time{}
	}
	if !now.Before(l.cert.NotAfter) {
		return "it expired at " + stamp(l.cert.NotAfter), true, time.Time{}
	}
	if at := RenewAt(key, l.cert); now.Before(at) {
		return "", false, at
	}
	return "it expires at " + stamp(l.cert.NotAfter), false, l.cert.NotAfter
}

// Good tells whether a certificate that is there makes an order for hosts
// needless.
func Good(c *config.Certificate, hosts []string, now time.Time) bool {
	if c == nil || c.Revoke != "" {
		return false
	}
	cert, err := parse(c)
	why, _, _ := judge(c.Key, leaf{cert, err}, hosts, now)
	return why == ""
}

// Missing are those of hosts that a certificate is not for.
func Missing(c *x509.Certificate, hosts []string) (out []string) {
	for _, h := range hosts {
		if c.VerifyHostname(h) != nil {
			out = append(out, h)
		}
	}
	return out
}

// RenewAt is when a certificate is to be replaced: when a third of its life is
// left, and up to a twentieth of it earlier, so that certificates that were
// issued together are not renewed together.
func RenewAt(key config.Key, c *x509.Certificate) time.Time {
	life := c.NotAfter.Sub(c.NotBefore)
	h := fnv.New32a()
	_, _ = h.Write([]byte(key.String() + c.SerialNumber.String()))
	early := time.Duration(int64(life/20) / 1000 * int64(h.Sum32()%1000))
	return c.NotAfter.Add(-life/3 - early)
}

// over is when the certificate that is there ends; zero if there is none.
func (b *builder) over(w *want) time.Time {
	c, ok := b.in.Certificates.Get(w.certificate)
	if !ok {
		return time.Time{}
	}
	if l := b.leafOf(c); l.err == nil {
		return l.cert.NotAfter
	}
	return time.Time{}
}

// The reasons for which a subscriber may revoke (RFC 5280 section 5.3.1).
var revocations = []struct {
	name string
	code int
}{
	{"unspecified", 0}, {"keyCompromise", 1}, {"affiliationChanged", 3}, {"superseded", 4}, {"cessationOfOperation", 5},
}

// RevocationReason reads the name of a reason to revoke.
func RevocationReason(name string) (code int, err error) {
	for _, r := range revocations {
		if strings.EqualFold(r.name, name) {
			return r.code, nil
		}
	}
	return 0, fmt.Errorf("%q is no reason to revoke a certificate", name)
}

func unknownReason(c *config.Certificate) config.Problem {
	var names []string
	for _, r := range revocations {
		names = append(names, r.name)
	}
	slices.Sort(names)
	return config.Problem{
		Object: config.Ref{Kind: config.KindSecret, Key: c.Key}, Field: "metadata.annotations[steelyard.io/acme-revoke]",
		Reason: ReasonInvalid, Message: fmt.Sprintf("%q is no reason to revoke a certificate", c.Revoke),
		Remedy: "write one of " + strings.Join(names, ", "),
	}
}
