package ingress

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/translate"
)

// The Ingress that cert-manager makes for a challenge by HTTP-01, its class by
// field or by annotation, and without a host where an address is proven.
const (
	solverByField = `
metadata:
  name: cm-acme-http-solver-fjx2k
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: "0.0.0.0/0,::/0"}
spec:
  ingressClassName: steelyard
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /.well-known/acme-challenge/a.b-c_D, pathType: Exact, backend: {service: {name: solver, port: {number: 8089}}}}
`
	solverByAnnotation = `
metadata:
  name: cm-acme-http-solver-q9zzt
  namespace: shop
  annotations:
    kubernetes.io/ingress.class: steelyard
    nginx.ingress.kubernetes.io/whitelist-source-range: "0.0.0.0/0,::/0"
spec:
  rules:
  - http:
      paths:
      - {path: /.well-known/acme-challenge/for-an-address, pathType: Exact, backend: {service: {name: solver, port: {number: 8089}}}}
`
	// The application's, older, whose "/" covers all; for the third challenge
	// cert-manager put its path before those that were there.
	edited = `
metadata: {name: ing, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  ingressClassName: steelyard
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /.well-known/acme-challenge/edited-in, pathType: Exact, backend: {service: {name: solver, port: {number: 8089}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
`
)

// cert-manager's challenges are answered by its solver, however it asks for it,
// while the application is served, and while orders of our own are under way.
func TestCertManagerSolves(t *testing.T) {
	r := run(t, nil)
	snap := snapshot(backend(t, "app"), nil)
	solver := snapshot(backend(t, "solved"), nil)
	svc, _ := solver.Services.Get(key("web"))
	eps, _ := solver.Endpoints.Get(key("web"))
	svc.Key, eps.Service = key("solver"), key("solver")
	svc.Ports[0].Port = 8089
	app, _ := snap.Services.Get(key("web"))
	appEnds, _ := snap.Endpoints.Get(key("web"))
	snap.Services = config.TableOf(map[config.Key]*config.Service{app.Key: app, svc.Key: svc})
	snap.Endpoints = config.TableOf(map[config.Key]*config.Endpoints{app.Key: appEnds, svc.Key: eps})
	ours := &config.Order{Key: key("o"), Challenges: []config.Challenge{{Type: config.ChallengeHTTP, Host: "shop.test", Token: "ours", Answer: "ours.print"}}}
	snap.Orders = config.TableOf(map[config.Key]*config.Order{ours.Key: ours})
	ingresses := map[config.Key]*config.Ingress{}
	for _, text := range []string{solverByField, solverByAnnotation, edited} {
		o := &networkingv1.Ingress{}
		if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
			t.Fatal(err)
		}
		in, problems := translate.Ingress(o, translate.Classes{Names: []string{"steelyard"}})
		if in == nil || len(problems) > 0 {
			t.Fatalf("%s: %v", o.Name, problems)
		}
		ingresses[in.Key] = in
	}
	snap.Ingresses = config.TableOf(ingresses)
	r.send(snap)
	plain, _ := r.Addrs()
	for path, want := range map[string]string{
		"/.well-known/acme-challenge/a.b-c_D":   "solved",
		"/.well-known/acme-challenge/edited-in": "solved",
		"/.well-known/acme-challenge/ours":      "ours.print",
		"/.well-known/acme-challenge/nobody's":  "app",
		"/":                                     "app",
	} {
		if code, body := ask(t, "shop.test", plain[0], path); code != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", path, code, body, want)
		}
	}
	if code, body := ask(t, "192.0.2.1", plain[0], "/.well-known/acme-challenge/for-an-address"); code != 200 || body != "solved" {
		t.Errorf("for an address: %d %q", code, body)
	}
}
