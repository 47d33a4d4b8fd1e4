package issuance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

var now = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func key(name string) config.Key { return config.Key{Namespace: "shop", Name: name} }

// asks is an Ingress, n-th in age, with one TLS entry for each "secret host host".
func asks(n int, name string, entries ...string) *config.Ingress {
	ing := &config.Ingress{Key: key(name), ACME: true, Created: now.Add(time.Duration(n) * time.Second)}
	for _, e := range entries {
		f := strings.Fields(e)
		ing.TLS = append(ing.TLS, config.IngressTLS{Secret: config.Key{Namespace: ing.Namespace, Name: f[0]}, Hosts: f[1:]})
	}
	return ing
}

// cert is a certificate of 90 days that ends in left.
func cert(t *testing.T, name string, left time.Duration, hosts ...string) *config.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := now.Add(left)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: hosts, NotBefore: end.Add(-90 * day), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Certificate{Key: key(name), Managed: true,
		Chain:      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})}
}

func certs(all ...*config.Certificate) config.Table[config.Key, *config.Certificate] {
	m := map[config.Key]*config.Certificate{}
	for _, c := range all {
		m[c.Key] = c
	}
	return config.TableOf(m)
}

func orders(all ...*config.Order) map[config.Key]*config.Order {
	m := map[config.Key]*config.Order{}
	for _, o := range all {
		m[o.Certificate] = o
	}
	return m
}

// tasks are written "secret host host: why".
func tasks(p *Plan) (out []string) {
	for _, t := range p.Tasks {
		out = append(out, t.Certificate.Name+" "+strings.Join(t.Hosts, " ")+": "+t.Why)
	}
	return out
}

func expect(t *testing.T, p *Plan, want []string, problems ...string) {
	t.Helper()
	got := tasks(p)
	if len(got) != len(want) || !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("tasks %q, want %q", got, want)
	}
	for i, problem := range p.Problems {
		if i >= len(problems) || !strings.Contains(problem.Reason+" "+problem.Error(), problems[i]) || problem.Remedy == "" {
			t.Errorf("problem %d: %s %v", i, problem.Reason, problem)
		}
	}
	if len(p.Problems) < len(problems) {
		t.Errorf("%d problems, want %q", len(p.Problems), problems)
	}
}

func plan(in Input) *Plan {
	if in.Limits == (Limits{}) {
		in.Limits = DefaultLimits()
	}
	in.Now = now
	return Make(in)
}

func TestWhatIsOrdered(t *testing.T) {
	other := asks(9, "other", "tls stolen.test")
	other.Namespace, other.TLS[0].Secret.Namespace = "mallory", "mallory"
	mine := asks(2, "mine", "tls stolen.test")
	off := asks(3, "off", "off off.test")
	off.ACME = false
	ruled := asks(4, "ruled", "ruled")
	ruled.Rules = []config.IngressRule{{Host: "r.test"}, {Host: "r.test"}, {Host: ""}}
	many := asks(5, "many", "many")
	for i := range 101 {
		many.TLS[0].Hosts = append(many.TLS[0].Hosts, fmt.Sprintf("h%d.test", i))
	}
	p := plan(Input{Ingresses: []*config.Ingress{
		asks(0, "a", "shared b.test a.test", "wild *.w.test ok.test"),
		asks(1, "b", "shared c.test a.test", "none"), mine, off, ruled, many, other,
	}})
	expect(t, p, []string{"ruled r.test: there is none", "shared a.test b.test c.test: there is none", "tls stolen.test", "wild ok.test"},
		"Conflict Ingress mallory/other: spec.tls[0].hosts: no certificate is ordered for stolen.test: Ingress shop/mine, which is older",
		"Unsupported Ingress shop/a: spec.tls[1].hosts: no certificate is ordered for *.w.test",
		"Invalid Ingress shop/b: spec.tls[1].hosts: no certificate can be ordered for no host",
		"Invalid Ingress shop/many: spec.tls[0].hosts: no certificate is ordered for 101 hosts")
	if len(p.Tasks[1].Ingresses) != 2 {
		t.Errorf("the shared certificate is asked for by %d Ingresses", len(p.Tasks[1].Ingresses))
	}
}

func TestWhatIsRenewed(t *testing.T) {
	broken := cert(t, "broken", 80*day, "broken.test")
	broken.PrivateKey = []byte("x")
	revoked, odd := cert(t, "revoked", 80*day, "revoked.test"), cert(t, "odd", 80*day, "odd.test")
	revoked.Revoke, odd.Revoke = "KeyCompromise", "boredom"
	hand, bad := cert(t, "hand", 5*day, "hand.test"), cert(t, "bad", -time.Hour, "bad.test")
	hand.Managed, bad.Managed = false, false
	var ings []*config.Ingress
	for i, name := range []string{"fresh", "old", "older", "over", "narrow", "broken", "revoked", "odd", "hand", "bad"} {
		ings = append(ings, asks(i, name, name+" "+name+".test"))
	}
	p := plan(Input{Ingresses: ings, Certificates: certs(
		cert(t, "fresh", 60*day, "fresh.test"), cert(t, "old", 20*day, "old.test"), cert(t, "older", 10*day, "older.test"),
		cert(t, "over", -time.Second, "over.test"), cert(t, "narrow", 80*day, "other.test"), broken, revoked, odd, hand, bad)})
	expect(t, p, []string{
		"broken broken.test: it cannot be used: tls: failed to find any PEM data in key input",
		"over over.test: it expired at 2026-09-01T11:59:59Z",
		"narrow narrow.test: it is not for narrow.test", "revoked revoked.test: it is to be revoked",
		"older older.test: it expires at", "old old.test: it expires at",
	}, "NotOurs Ingress shop/bad: spec.tls[0].secretName: Secret shop/bad did not come by ACME and is left alone, but it expired",
		`Invalid Secret shop/odd: metadata.annotations[steelyard.io/acme-revoke]: "boredom" is no reason`)
	if !p.Next.Equal(now.Add(10 * day)) { // the first that clients would suffer from
		t.Errorf("next at %v", p.Next)
	}
	again := Make(Input{Ingresses: ings, Certificates: certs(revoked), Previous: p, Limits: DefaultLimits(), Now: now})
	if again.leaves[revoked] != p.leaves[revoked] {
		t.Error("a certificate was parsed twice")
	}
}

func TestRenewalsAreSpread(t *testing.T) {
	seen := map[time.Time]bool{}
	c, err := parse(cert(t, "c", 90*day, "c.test"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		at := RenewAt(key(fmt.Sprint(i)), c)
		if left := c.NotAfter.Sub(at); left < 30*day || left > 35*day {
			t.Fatalf("renewed %v before its end", left)
		}
		seen[at] = true
	}
	if len(seen) < 80 {
		t.Errorf("100 certificates are renewed at %d times", len(seen))
	}
}

func order(name, hosts string, state config.OrderState) *config.Order {
	return &config.Order{Key: config.Key{Namespace: "sys", Name: "o-" + name}, Certificate: key(name), Hosts: strings.Fields(hosts), State: state}
}

func TestWhatWaits(t *testing.T) {
	failed, due, changed := order("failed", "failed.test", config.OrderFailed), order("due", "due.test", config.OrderFailed), order("changed", "before.test", config.OrderFailed)
	failed.Retry, failed.Fault = now.Add(time.Hour), "host failed.test: connection refused"
	due.Retry, changed.Retry = now, now.Add(time.Hour)
	echo, worn := order("echo", "echo.test", config.OrderIssued), order("worn", "worn.test", config.OrderIssued)
	echo.Issued = []time.Time{now.Add(-time.Second)}
	worn.Issued = []time.Time{now.Add(-8 * day), now.Add(-6 * day), now.Add(-3 * day), now.Add(-2 * day), now.Add(-day)}
	going := order("going", "going.test", config.OrderPending)
	in := Input{Orders: orders(failed, due, changed, echo, worn, going)}
	for i, name := range []string{"failed", "due", "changed", "echo", "worn", "going"} {
		in.Ingresses = append(in.Ingresses, asks(i, name, name+" "+name+".test"))
	}
	p := plan(in)
	expect(t, p, []string{"changed", "due", "going"},
		"CertificateNotIssued Ingress shop/failed: spec.tls[0].secretName: the certificate for failed.test was not issued: host failed.test: connection refused; it is tried again at 2026-09-01T13:00:00Z",
		"CertificateWaits Ingress shop/worn: spec.tls[0].secretName: 4 certificates for worn.test were issued within a week")
	if p.Waiting != 2 || !p.Next.Equal(now.Add(9*time.Second)) {
		t.Errorf("%d wait; next at %v", p.Waiting, p.Next)
	}
}

func TestBudgetOfAnHour(t *testing.T) {
	spent, resumed := order("spent", "spent.test", config.OrderIssued), order("c", "c.test", config.OrderPending)
	spent.Begun = []time.Time{now.Add(-2 * time.Hour), now.Add(-30 * time.Minute)}
	limits := DefaultLimits()
	limits.PerHour = 2
	p := plan(Input{Limits: limits, Orders: orders(spent, resumed), Certificates: certs(cert(t, "a", 3*day, "a.test")),
		Ingresses: []*config.Ingress{asks(0, "a", "a a.test"), asks(1, "b", "b b.test"), asks(2, "c", "c c.test")}})
	// what is under way goes on, who has no certificate goes before who has an old one
	expect(t, p, []string{"b", "c"}, "CertificateWaits Ingress shop/a: spec.tls[0].secretName: the certificate for a.test waits: 2 orders may be begun in one hour")
	if !p.Next.Equal(now.Add(30 * time.Minute)) {
		t.Errorf("next at %v", p.Next)
	}
}

func TestWhatIsForgotten(t *testing.T) {
	old, recent := order("old", "old.test", config.OrderIssued), order("recent", "recent.test", config.OrderFailed)
	old.Begun, recent.Begun = []time.Time{now.Add(-8 * day)}, []time.Time{now.Add(-day)}
	p := plan(Input{Orders: orders(old, recent)})
	if len(p.Drop) != 1 || p.Drop[0] != old || !p.Next.Equal(now.Add(6*day)) {
		t.Errorf("dropped %v, next at %v", p.Drop, p.Next)
	}
}

func TestAnOrdersLife(t *testing.T) {
	keys := 0
	fresh := func() ([]byte, error) { keys++; return []byte(fmt.Sprint("key", keys)), nil }
	task := Task{Certificate: key("a"), Hosts: []string{"a.test"}}
	begin := func(o *config.Order) *config.Order {
		next, err := Begin(o, task, config.OrderKey("sys", task.Certificate), "https://ca.test", fresh, now)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	first := begin(nil)
	if first.State != config.OrderPending || string(first.PrivateKey) != "key1" || len(first.Begun) != 1 {
		t.Errorf("the first: %+v", first)
	}
	first.URL = "https://ca.test/1"
	limits := DefaultLimits()
	interrupted := Failed(first, Verdict{Fault: "no answer"}, limits, now)
	if interrupted.URL == "" || !interrupted.Retry.Equal(now.Add(30*time.Second)) {
		t.Errorf("interrupted: %+v", interrupted)
	}
	if on := begin(interrupted); on.URL != first.URL || string(on.PrivateKey) != "key1" || len(on.Begun) != 1 || on.Fails != 1 {
		t.Errorf("gone on with: %+v", on)
	}
	over := Failed(interrupted, Verdict{Final: true, Fault: "no"}, limits, now)
	if over.URL != "" || over.PrivateKey != nil || !over.Retry.Equal(now.Add(10*time.Minute)) {
		t.Errorf("over: %+v", over)
	}
	if anew := begin(over); string(anew.PrivateKey) != "key2" || len(anew.Begun) != 2 || anew.Fails != 2 {
		t.Errorf("begun anew: %+v", anew)
	}
	for range 30 {
		over = Failed(over, Verdict{Final: true}, limits, now)
	}
	if !over.Retry.Equal(now.Add(24 * time.Hour)) {
		t.Errorf("after many failures it is tried again at %v", over.Retry)
	}
	if told := Failed(first, Verdict{Final: true, Wait: 48 * time.Hour}, limits, now); !told.Retry.Equal(now.Add(48 * time.Hour)) {
		t.Errorf("told to wait 48 h, it is tried again at %v", told.Retry)
	}
	done := Issued(first, now)
	if done.URL != "" || done.PrivateKey != nil || len(done.Issued) != 1 || len(done.Begun) != 1 {
		t.Errorf("issued: %+v", done)
	}
	task.Hosts = []string{"a.test", "b.test"}
	if other := begin(done); len(other.Issued) != 0 || len(other.Begun) != 2 {
		t.Errorf("for other hosts: %+v", other)
	}
	if _, err := Begin(nil, task, key("x"), "", func() ([]byte, error) { return nil, errors.New("no randomness") }, now); err == nil {
		t.Error("begun without a key")
	}
}
