package controller

import (
	"fmt"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func tkey(name string) config.Key { return config.Key{Namespace: "t", Name: name} }

func pathTo(path, service string, index int) config.IngressRule {
	return config.IngressRule{Host: "shop.test", Path: path, Type: config.PathPrefix, Field: fmt.Sprintf("spec.rules[0].http.paths[%d]", index),
		Backend: config.IngressBackend{Service: tkey(service), Port: 80}}
}

func TestReportComesAndGoesWithTheFault(t *testing.T) {
	c := newCluster(public)
	web := tkey("web")
	c.ingress[web] = &config.Ingress{Key: web, UID: "u1", Settings: []string{"steelyard.io/x"},
		Rules: []config.IngressRule{pathTo("/", "shop", 0), pathTo("/cart", "cart", 1)}}
	c.set(service("shop"))
	l := newLeader(c, Options{IngressService: tkey("in")})
	l.run()
	expect(t, c, []string{"report web spec.rules[0].http.paths[1].backend.service.name=AppliedDifferently" +
		" spec.rules[0].http.paths[0]=Applied metadata.annotations[steelyard.io/x]=Applied",
		"service shop 192.0.2.10 VIP public true/Allocated"},
		[]string{"shop Normal IPAllocated", "web Warning NotFound: spec.rules[0].http.paths[1].backend.service.name: Service t/cart does not exist"})
	report := c.reports[web]
	if report.Ingress != "u1" || report.Findings[0].Subject != "shop.test/cart" || report.Findings[0].Remedy == "" || report.Findings[1].Subject != "shop.test/" {
		t.Errorf("the report is %+v", report)
	}

	newLeader(c, Options{IngressService: tkey("in")}).run() // another leader writes nothing
	expect(t, c, nil, []string{"web Warning NotFound"})

	delete(c.reports, web) // somebody deletes it
	l.run()
	expect(t, c, []string{"report web spec.rules[0].http.paths[1].backend.service.name=AppliedDifferently" +
		" spec.rules[0].http.paths[0]=Applied metadata.annotations[steelyard.io/x]=Applied"}, nil)

	c.set(service("cart"))
	l.run()
	expect(t, c, []string{"no report web", "service cart 192.0.2.11 VIP public true/Allocated"}, []string{"cart Normal IPAllocated"})
}

// A fault that translation found comes into the report too, and goes with the
// Ingress when that is another's.
func TestReportOfWhatTranslationFound(t *testing.T) {
	c := newCluster(public)
	web := tkey("web")
	c.ingress[web] = &config.Ingress{Key: web, UID: "u1", Rules: []config.IngressRule{pathTo("/", "shop", 0)}}
	c.set(service("shop"))
	c.problems = []config.Problem{{Object: config.Ref{Kind: config.KindIngress, Key: web}, Field: "metadata.annotations[steelyard.io/x]",
		Reason: "NoEffect", Message: strings.Repeat("x", 2000), Remedy: "r", Verdict: config.Unknown}}
	l := newLeader(c, Options{IngressService: tkey("in")})
	l.run()
	if r := c.reports[web]; r == nil || r.Findings[0].Verdict != config.Unknown || len(r.Findings[0].Message) != maxText || r.Applied() != 1 {
		t.Errorf("the report is %+v", r)
	}
	delete(c.ingress, web)
	c.problems = nil
	l.run()
	if len(c.reports) != 0 {
		t.Errorf("reports are left: %v", c.reports)
	}
}

func TestReportIsBounded(t *testing.T) {
	ing := &config.Ingress{Key: tkey("big")}
	var problems []config.Problem
	for i := range 2 * config.MaxFindings {
		ing.Rules = append(ing.Rules, pathTo("/", "x", i))
		if i%2 == 0 {
			problems = append(problems, config.Problem{Field: ing.Rules[i].Field + ".path", Message: "m"})
		}
	}
	r := ingressReport(ing, problems)
	if len(r.Findings) != config.MaxFindings || r.Omitted != config.MaxFindings || r.Findings[config.MaxFindings-1].Verdict != config.Refused {
		t.Errorf("%d findings, %d omitted", len(r.Findings), r.Omitted)
	}
}

// What is wrong inside a Secret is in the report, and goes with it; what is being
// ordered is no fault.
func TestReportOfCertificates(t *testing.T) {
	key := tkey("web")
	ing := &config.Ingress{Key: key, UID: "u1", ACME: true, TLS: []config.IngressTLS{{Hosts: []string{"shop.test"}, Secret: tkey("pair")}},
		Rules: []config.IngressRule{pathTo("/", "shop", 0)}}
	broken := &config.Certificate{Key: tkey("pair"), Chain: []byte("x"), PrivateKey: []byte("y")}
	for name, c := range map[string]struct {
		secret *config.Certificate
		acme   bool
		want   string
	}{
		"broken":        {broken, false, "Invalid"},
		"missing":       {nil, false, "NotFound"},
		"being ordered": {nil, true, ""},
	} {
		cl := newCluster(public)
		cl.ingress[key] = ing
		cl.set(service("shop"))
		if c.secret != nil {
			cl.certs[c.secret.Key] = c.secret
		}
		l := newLeader(cl, Options{IngressService: tkey("in"), ACME: c.acme})
		l.run()
		got := ""
		if r := cl.reports[key]; r != nil {
			got = r.Findings[0].Reason
			if f := r.Findings[0]; f.Verdict != config.AppliedDifferently || f.Field != "spec.tls[0].secretName" || f.Subject != "shop.test" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if got != c.want {
			t.Errorf("%s: reported %q, want %q", name, got, c.want)
		}
		delete(cl.ingress, key)
		if l.run(); len(cl.reports) != 0 {
			t.Errorf("%s: reports are left", name)
		}
	}
}
