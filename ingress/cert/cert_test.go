package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

var now = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func newKey(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	var k crypto.Signer
	var err error
	switch kind {
	case "rsa":
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func secretOf(t *testing.T, name, kind string, until time.Time, hosts ...string) *config.Certificate {
	t.Helper()
	k := newKey(t, kind)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: hosts, NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Certificate{
		Key:        key(name),
		Chain:      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

func key(name string) config.Key { return config.Key{Namespace: "default", Name: name} }

func secrets(all ...*config.Certificate) config.Table[config.Key, *config.Certificate] {
	m := map[config.Key]*config.Certificate{}
	for _, c := range all {
		m[c.Key] = c
	}
	return config.TableOf(m)
}

// ingress has one TLS entry for each "secret host host".
func ingress(name string, entries ...string) *config.Ingress {
	ing := &config.Ingress{Key: key(name)}
	for _, e := range entries {
		f := strings.Fields(e)
		ing.TLS = append(ing.TLS, config.IngressTLS{Secret: key(f[0]), Hosts: f[1:]})
	}
	return ing
}

// served is the first name in the certificate that a client asking for sni gets.
func served(t *testing.T, s *Store, sni string) string {
	t.Helper()
	c, err := s.GetCertificate(&tls.ClientHelloInfo{ServerName: sni})
	if err != nil {
		t.Fatalf("%s: %v", sni, err)
	}
	return c.Leaf.DNSNames[0]
}

func selfMade(t *testing.T) *tls.Certificate {
	t.Helper()
	c, err := SelfMade(now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func expectProblems(t *testing.T, got []config.Problem, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d", len(got), len(want))
	}
	for i, p := range got {
		if i >= len(want) || !strings.Contains(p.Reason+" "+p.Error(), want[i]) {
			t.Errorf("problem %d: %s %v, not as wanted", i, p.Reason, p.Error())
		}
		if p.Remedy == "" {
			t.Errorf("problem %d has no remedy", i)
		}
	}
}

const fallbackName = "default.steelyard.invalid"

func TestServerNames(t *testing.T) {
	later := now.Add(time.Hour)
	store, problems := Build(Input{
		Ingresses: []*config.Ingress{
			ingress("a", "exact a.shop.test", "wild *.Shop.test"),
			ingress("b", "other a.shop.test b.other.test", "missing gone.test"),
		},
		Secrets: secrets(secretOf(t, "exact", "rsa", later, "a.shop.test"),
			secretOf(t, "wild", "ecdsa", later, "*.shop.test"),
			secretOf(t, "other", "ed25519", later, "b.other.test", "a.shop.test")),
		SelfMade: selfMade(t), Now: now,
	})
	expectProblems(t, problems, "Conflict Ingress default/b: spec.tls[0].hosts: Ingress default/a already brings a certificate for host a.shop.test")
	for sni, want := range map[string]string{
		"a.shop.test": "a.shop.test", "A.SHOP.test.": "a.shop.test",
		"x.shop.test": "*.shop.test", "x.y.shop.test": fallbackName, "shop.test": fallbackName,
		"b.other.test": "b.other.test", "gone.test": fallbackName, "": fallbackName,
	} {
		if got := served(t, store, sni); got != want {
			t.Errorf("%q is served the certificate of %s, want %s", sni, got, want)
		}
	}
	if store.Len() != 3 {
		t.Errorf("%d names, want 3", store.Len())
	}
}

func TestBrokenPairs(t *testing.T) {
	good, expired := secretOf(t, "good", "ecdsa", now.Add(time.Hour), "a.test"), secretOf(t, "expired", "ecdsa", now.Add(-time.Second), "e.test")
	swapped := *good
	swapped.Key, swapped.PrivateKey = key("swapped"), expired.PrivateKey
	store, problems := Build(Input{
		Ingresses: []*config.Ingress{
			ingress("i", "swapped s.test", "garbage g.test", "expired e.test", "good not-covered.test a.test"),
			ingress("j", "good e.test"), // a usable certificate takes the place of the expired one
		},
		Secrets:  secrets(good, expired, &swapped, &config.Certificate{Key: key("garbage"), Chain: []byte("x"), PrivateKey: []byte("y")}),
		SelfMade: selfMade(t), Now: now,
	})
	expectProblems(t, problems,
		"Invalid Ingress default/i: spec.tls[0].secretName: the certificate cannot be used; the default one is served: secret default/swapped: tls: private key does not match",
		"Invalid Ingress default/i: spec.tls[1].secretName",
		"Expired Ingress default/i: spec.tls[2].secretName: the certificate of Secret default/expired expired on 2026-09-01T11:59:59Z",
		"Mismatch Ingress default/i: spec.tls[3].secretName: the certificate is not for host not-covered.test",
		"Mismatch Ingress default/j: spec.tls[0].secretName")
	for sni, want := range map[string]string{
		"s.test": fallbackName, "g.test": fallbackName, "a.test": "a.test", "not-covered.test": "a.test", "e.test": "a.test",
	} {
		if got := served(t, store, sni); got != want {
			t.Errorf("%q is served the certificate of %s, want %s", sni, got, want)
		}
	}
}

// A certificate of tomorrow is named, and shown: clients may know better.
func TestNotYetValid(t *testing.T) {
	store, problems := Build(Input{
		Ingresses: []*config.Ingress{ingress("i", "early early.test", "skewed skewed.test")}, SelfMade: selfMade(t), Now: now,
		Secrets: secrets(secretOf(t, "early", "ecdsa", now.Add(25*time.Hour), "early.test"), secretOf(t, "skewed", "ecdsa", now.Add(time.Hour+time.Minute), "skewed.test")),
	})
	expectProblems(t, problems, "NotYetValid Ingress default/i: spec.tls[0].secretName: clients will refuse the certificate of Secret default/early before 2026-09-02T12:00:00Z")
	if served(t, store, "early.test") != "early.test" || served(t, store, "skewed.test") != "skewed.test" {
		t.Error("another certificate is served")
	}
}

func TestEntryWithoutHosts(t *testing.T) {
	ing := ingress("i", "wild")
	for _, h := range []string{"a.test", "b.test", "a.other", ""} {
		ing.Rules = append(ing.Rules, config.IngressRule{Host: h})
	}
	store, problems := Build(Input{
		Ingresses: []*config.Ingress{ing}, Now: now, SelfMade: selfMade(t),
		Secrets: secrets(secretOf(t, "wild", "ecdsa", now.Add(time.Hour), "*.test")),
	})
	expectProblems(t, problems)
	if served(t, store, "a.test") != "*.test" || served(t, store, "c.test") != fallbackName || served(t, store, "a.other") != fallbackName {
		t.Error("not exactly the covered hosts of the rules are served")
	}
}

func TestDefaultCertificate(t *testing.T) {
	good, old := secretOf(t, "good", "ecdsa", now.Add(time.Hour), "fallback.test"), secretOf(t, "old", "ecdsa", now.Add(-time.Hour), "old.test")
	all := secrets(good, old, &config.Certificate{Key: key("bad")})
	for _, c := range []struct{ secret, want, problem string }{
		{"good", "fallback.test", ""},
		{"old", "old.test", "Expired Secret default/old"},
		{"bad", fallbackName, "Invalid Secret default/bad"},
		{"none", fallbackName, "NotFound Secret default/none"},
	} {
		store, problems := Build(Input{Secrets: all, Default: key(c.secret), SelfMade: selfMade(t), Now: now})
		if got := served(t, store, "any.test"); got != c.want {
			t.Errorf("default %s: serves %s, want %s", c.secret, got, c.want)
		}
		if c.problem == "" {
			expectProblems(t, problems)
		} else {
			expectProblems(t, problems, c.problem)
		}
	}
	var none *Store
	if _, err := none.GetCertificate(&tls.ClientHelloInfo{}); !errors.Is(err, ErrNoCertificate) || none.Len() != 0 {
		t.Errorf("nil store: %v", err)
	}
	if _, err := (&Store{}).GetCertificate(&tls.ClientHelloInfo{}); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("empty store: %v", err)
	}
}

func TestPairsAreParsedOnce(t *testing.T) {
	secret := secretOf(t, "s", "ecdsa", now.Add(time.Hour), "a.test")
	in := Input{Ingresses: []*config.Ingress{ingress("i", "s a.test")}, Secrets: secrets(secret), Now: now}
	first, _ := Build(in)
	copied := *secret // the same content, another object
	in.Previous, in.Secrets = first, secrets(&copied)
	second, _ := Build(in)
	if first.exact["a.test"] != second.exact["a.test"] {
		t.Error("an unchanged Secret was parsed again")
	}
	in.Previous, in.Secrets = second, secrets(secretOf(t, "s", "ecdsa", now.Add(time.Hour), "a.test"))
	third, _ := Build(in)
	if second.exact["a.test"] == third.exact["a.test"] {
		t.Error("a changed Secret was not parsed again")
	}
	in.Previous, in.Ingresses = third, nil
	if fourth, _ := Build(in); len(fourth.pairs) != 0 {
		t.Error("a pair that nobody names is kept")
	}
}
