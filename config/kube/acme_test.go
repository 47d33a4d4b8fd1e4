package kube

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

func anOrder() *config.Order {
	certificate := config.Key{Namespace: "shop", Name: "web"}
	at := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	return &config.Order{
		Key: config.OrderKey("steelyard-system", certificate), Certificate: certificate, Hosts: []string{"a.test", "b.test"},
		State: config.OrderFailed, Directory: "https://ca.test/dir", URL: "https://ca.test/order/1", PrivateKey: []byte("key"),
		Challenges: []config.Challenge{{Type: config.ChallengeHTTP, Host: "a.test", Token: "t", Answer: "t.x"}},
		Begun:      []time.Time{at}, Issued: []time.Time{at.Add(time.Hour)}, Fails: 2, Retry: at.Add(2 * time.Hour), Fault: "no",
	}
}

// An order is read as it was written, by who leads next and by who answers its
// challenges, and nobody else's Secret is taken for one.
func TestOrdersAreRemembered(t *testing.T) {
	api, c := newAPIServer(t)
	api.put(t, "secrets", &corev1.Secret{ObjectMeta: om("steelyard-system", "other"), Type: corev1.SecretTypeOpaque})
	api.put(t, "secrets", &corev1.Secret{ObjectMeta: om("steelyard-system", "broken"), Type: translate.SecretTypeOrder})
	snaps := watching(t, c, WatchOptions{Parts: Orders, Namespace: "steelyard-system"})
	if first := next(t, snaps); first.Orders.Len() != 0 || len(first.Problems) != 1 || first.Problems[0].Object.Name != "broken" {
		t.Errorf("at first: %+v", first.Problems)
	}
	want := anOrder()
	for range 2 { // made, then replaced
		if err := c.PutOrder(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	seen := until(t, snaps, "the order", func(s *config.Snapshot) bool { return s.Orders.Len() == 1 })
	if got, _ := seen.Orders.Get(want.Key); !reflect.DeepEqual(got, want) || !seen.Changed.Orders {
		t.Errorf("seen %+v\nwant %+v", got, want)
	}
	list, err := c.ListOrders(t.Context(), "steelyard-system")
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		t.Errorf("listed %+v, %v", list, err)
	}
	for range 2 { // once more is no error
		if err := c.DeleteOrder(t.Context(), want.Key); err != nil {
			t.Error(err)
		}
	}
	until(t, snaps, "its end", func(s *config.Snapshot) bool { return s.Orders.Len() == 0 })
}

// One account is made once, whoever comes first.
func TestAccountIsKept(t *testing.T) {
	api, c := newAPIServer(t)
	for _, fresh := range []string{"first", "second"} {
		got, err := c.Account(t.Context(), "steelyard-system", "https://ca.test/dir", []byte(fresh))
		if err != nil || string(got) != "first" {
			t.Errorf("%q, %v", got, err)
		}
	}
	key := config.AccountKey("steelyard-system", "https://other.test/dir")
	api.put(t, "secrets", &corev1.Secret{ObjectMeta: om(key.Namespace, key.Name), Type: corev1.SecretTypeOpaque})
	if _, err := c.Account(t.Context(), "steelyard-system", "https://other.test/dir", []byte("x")); !errors.Is(err, config.ErrTaken) {
		t.Errorf("somebody's Secret is taken for an account: %v", err)
	}
}

// A certificate is written where there is none and where one came by ACME
// before, without the wish to revoke it; what others made is left alone.
func TestPutCertificate(t *testing.T) {
	api, c := newAPIServer(t)
	cert := &config.Certificate{Key: config.Key{Namespace: "shop", Name: "web"}, Chain: []byte("chain"), PrivateKey: []byte("key"), Managed: true}
	if has, err := c.ReadCertificate(t.Context(), cert.Key); has != nil || err != nil {
		t.Errorf("before: %v, %v", has, err)
	}
	if err := c.PutCertificate(t.Context(), cert); err != nil {
		t.Fatal(err)
	}
	made := stored[corev1.Secret](t, api, "secrets", cert.Key)
	made.Annotations = map[string]string{translate.AnnotationRevoke: "superseded", "mine": "stays"}
	api.put(t, "secrets", &made)
	if has, err := c.ReadCertificate(t.Context(), cert.Key); err != nil || has.Revoke != "superseded" || !has.Managed || string(has.Chain) != "chain" {
		t.Errorf("marked: %+v, %v", has, err)
	}
	cert.Chain = []byte("another")
	if err := c.PutCertificate(t.Context(), cert); err != nil {
		t.Fatal(err)
	}
	got := stored[corev1.Secret](t, api, "secrets", cert.Key)
	if string(got.Data["tls.crt"]) != "another" || got.Type != corev1.SecretTypeTLS || len(got.Annotations) != 1 || got.Annotations["mine"] != "stays" {
		t.Errorf("written: %+v", got)
	}
	for name, kind := range map[string]corev1.SecretType{"by-hand": corev1.SecretTypeTLS, "opaque": corev1.SecretTypeOpaque} {
		api.put(t, "secrets", &corev1.Secret{ObjectMeta: om("shop", name), Type: kind})
		cert.Name = name
		if err := c.PutCertificate(t.Context(), cert); !errors.Is(err, config.ErrTaken) {
			t.Errorf("%s was overwritten: %v", name, err)
		}
	}
}

// Who wants certificates, by annotation or by class, and what else is kept.
func TestIngressesThatWantACME(t *testing.T) {
	api, c := newAPIServer(t)
	class := &networkingv1.IngressClass{ObjectMeta: om("", "all"), Spec: networkingv1.IngressClassSpec{Controller: translate.IngressController}}
	class.Annotations = map[string]string{translate.AnnotationACME: "true"}
	api.put(t, "ingressclasses", class)
	api.put(t, "ingressclasses", &networkingv1.IngressClass{ObjectMeta: om("", "some"), Spec: networkingv1.IngressClassSpec{Controller: translate.IngressController}})
	add := func(name, class, annotation, value string) {
		o := &networkingv1.Ingress{ObjectMeta: om("shop", name), Spec: networkingv1.IngressSpec{IngressClassName: &class}}
		if annotation != "" {
			o.Annotations = map[string]string{annotation: value}
		}
		api.put(t, "ingresses", o)
	}
	add("by-class", "all", "", "")
	add("not", "all", translate.AnnotationACME, "false")
	add("by-ours", "some", translate.AnnotationACME, "true")
	add("by-theirs", "some", translate.AnnotationTLSACME, "true")
	add("unasked", "some", "", "")
	add("odd", "some", translate.AnnotationACME, "maybe")
	snap := next(t, watching(t, c, WatchOptions{Parts: Ingresses, Namespace: "steelyard-system"}))
	for name, want := range map[string]bool{"by-class": true, "not": false, "by-ours": true, "by-theirs": true, "unasked": false, "odd": false} {
		if in, ok := snap.Ingresses.Get(config.Key{Namespace: "shop", Name: name}); !ok || in.ACME != want {
			t.Errorf("%s: %v, want %v", name, ok && in.ACME, want)
		}
	}
	if len(snap.Problems) != 1 || snap.Problems[0].Field != "metadata.annotations[steelyard.io/acme]" {
		t.Errorf("problems: %v", snap.Problems)
	}
}
