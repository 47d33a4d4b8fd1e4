package cert

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Input is what a store is built from.
type Input struct {
	Ingresses []*config.Ingress // oldest first: of two that name a host, the first wins
	Secrets   config.Table[config.Key, *config.Certificate]
	Default   config.Key       // Secret of the default certificate; zero: none
	SelfMade  *tls.Certificate // served where Default cannot be
	Previous  *Store           // its parsed pairs are taken over; may be nil
	Now       time.Time        // to tell what has expired
}

// Build makes the store of all certificates that Ingresses name, and tells
// what is wrong with them, sorted by object and field. A Secret that is not
// there is no Problem of this package: the routing table reports it.
func Build(in Input) (*Store, []config.Problem) {
	b := &builder{in: in, owners: map[string]config.Key{}, store: &Store{
		exact:    map[string]*tls.Certificate{},
		suffixes: map[string]*tls.Certificate{},
		pairs:    map[config.Key]pair{},
	}}
	b.store.fallback = b.fallback()
	for _, ing := range in.Ingresses {
		for i := range ing.TLS {
			b.add(ing, i)
		}
	}
	slices.SortStableFunc(b.problems, func(x, y config.Problem) int {
		return cmp.Or(cmp.Compare(x.Object.Kind, y.Object.Kind), x.Object.Compare(y.Object.Key), strings.Compare(x.Field, y.Field))
	})
	return b.store, b.problems
}

type builder struct {
	in       Input
	store    *Store
	owners   map[string]config.Key // host → Ingress whose certificate is served
	problems []config.Problem
}

// fallback is the default certificate. An expired one is kept: clients are
// warned as much as by a self-made one, and know whom it belongs to.
func (b *builder) fallback() *tls.Certificate {
	if b.in.Default == (config.Key{}) {
		return b.in.SelfMade
	}
	ref := config.Ref{Kind: config.KindSecret, Key: b.in.Default}
	secret, ok := b.in.Secrets.Get(b.in.Default)
	if !ok {
		b.problems = append(b.problems, config.Problem{Object: ref, Reason: "NotFound",
			Message: "the Secret of the default certificate does not exist or is not of type kubernetes.io/tls; a self-made certificate is served",
			Remedy:  "create it, or name another as default certificate"})
		return b.in.SelfMade
	}
	p := b.store.load(secret, b.in.Previous)
	if p.err != nil {
		b.problems = append(b.problems, config.Problem{Object: ref, Reason: "Invalid",
			Message: fmt.Sprintf("the default certificate cannot be used; a self-made one is served: %v", p.err),
			Remedy:  remedyPair})
		return b.in.SelfMade
	}
	if expired(p.cert, b.in.Now) {
		b.problems = append(b.problems, config.Problem{Object: ref, Reason: "Expired",
			Message: "the default certificate expired on " + p.cert.Leaf.NotAfter.UTC().Format(time.RFC3339),
			Remedy:  "renew it"})
	}
	return p.cert
}

// add serves the i-th TLS entry of an Ingress.
func (b *builder) add(ing *config.Ingress, i int) {
	secret, ok := b.in.Secrets.Get(ing.TLS[i].Secret)
	if !ok {
		return
	}
	p := b.store.load(secret, b.in.Previous)
	switch {
	case p.err != nil:
		b.tell(ing, i, "secretName", "Invalid",
			fmt.Sprintf("the certificate cannot be used; the default one is served: %v", p.err), remedyPair)
		return
	case expired(p.cert, b.in.Now):
		b.tell(ing, i, "secretName", "Expired",
			fmt.Sprintf("the certificate of Secret %s expired on %s; the default one is served",
				secret.Key, p.cert.Leaf.NotAfter.UTC().Format(time.RFC3339)), "renew it")
		return
	}
	if from := p.cert.Leaf.NotBefore; from.Sub(b.in.Now) > clocksDiffer {
		b.tell(ing, i, "secretName", "NotYetValid",
			fmt.Sprintf("clients will refuse the certificate of Secret %s before %s", secret.Key, from.UTC().Format(time.RFC3339)),
			"store one that is valid now, or set this host's clock")
	}
	for _, host := range b.hosts(ing, i, p.cert) {
		b.serve(ing, i, host, p.cert)
	}
}

// hosts are those a TLS entry is for. An entry without hosts is for those
// hosts of the Ingress's rules that its certificate covers.
func (b *builder) hosts(ing *config.Ingress, i int, c *tls.Certificate) []string {
	if len(ing.TLS[i].Hosts) > 0 {
		return ing.TLS[i].Hosts
	}
	var hosts []string
	for _, r := range ing.Rules {
		if r.Host != "" && covers(c, r.Host) && !slices.Contains(hosts, r.Host) {
			hosts = append(hosts, r.Host)
		}
	}
	return hosts
}

// serve gives a host its certificate, unless an older Ingress did.
func (b *builder) serve(ing *config.Ingress, i int, host string, c *tls.Certificate) {
	host = strings.ToLower(host)
	names, name := b.store.exact, host
	if suffix, ok := strings.CutPrefix(host, "*."); ok {
		names, name = b.store.suffixes, suffix
	}
	if has := names[name]; has != nil {
		if has != c {
			b.tell(ing, i, "hosts", "Conflict",
				fmt.Sprintf("Ingress %s already brings a certificate for host %s, and the oldest Ingress wins", b.owners[host], host),
				"remove the host here or there, or name one Secret in both")
		}
		return
	}
	names[name], b.owners[host] = c, ing.Key
	if !covers(c, host) {
		b.tell(ing, i, "secretName", "Mismatch",
			fmt.Sprintf("the certificate is not for host %s, clients will refuse it; it is for %s", host, subjects(c)),
			"issue one whose subject alternative names hold the host")
	}
}

// clocksDiffer is how far the clocks of hosts may be apart without a word.
const clocksDiffer = 5 * time.Minute

const remedyPair = "store a PEM chain, leaf first, as tls.crt and its private key as tls.key"

func (b *builder) tell(ing *config.Ingress, i int, field, reason, message, remedy string) {
	b.problems = append(b.problems, config.Problem{
		Object:  config.Ref{Kind: config.KindIngress, Key: ing.Key},
		Field:   fmt.Sprintf("spec.tls[%d].%s", i, field),
		Reason:  reason,
		Message: message,
		Remedy:  remedy,
		Verdict: config.AppliedDifferently, // by another certificate, or by one that clients refuse
	})
}

// covers tells whether clients accept a certificate for a host; for a
// wildcard, whether it names that very wildcard.
func covers(c *tls.Certificate, host string) bool {
	if strings.HasPrefix(host, "*.") {
		return slices.ContainsFunc(c.Leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, host) })
	}
	return c.Leaf.VerifyHostname(host) == nil
}

func subjects(c *tls.Certificate) string {
	if len(c.Leaf.DNSNames) == 0 {
		return "no DNS name"
	}
	return strings.Join(c.Leaf.DNSNames, ", ")
}
