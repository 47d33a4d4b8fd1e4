package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// What is wrong inside a Secret is told to the Ingress that names it, once.
func TestCertificateFaultsAreTold(t *testing.T) {
	c := newCluster()
	web, secret := config.Key{Namespace: "t", Name: "web"}, config.Key{Namespace: "t", Name: "web-tls"}
	c.ingress[web] = &config.Ingress{Key: web, UID: "uid-web", TLS: []config.IngressTLS{{Hosts: []string{"a.test"}, Secret: secret}}}
	l := newLeader(c, Options{})
	snap := c.snapshot()
	snap.Changed = config.Changes{All: true}
	snap.Certificates = config.TableOf(map[config.Key]*config.Certificate{secret: {Key: secret, Chain: []byte("x"), PrivateKey: []byte("y")}})
	for range 2 {
		l.step(snap, time.Now())
	}
	told := 0
	for _, e := range c.events {
		if strings.Contains(e, "the certificate cannot be used; the default one is served: secret t/web-tls") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %q", told, c.events)
	}
	if wait := l.due(time.Now()); wait <= 0 || wait > certRecheck {
		t.Errorf("looked at again in %v", wait)
	}
}

// A Secret that is being ordered is not asked for by hand.
func TestOrderedSecretsAreNotMissed(t *testing.T) {
	for _, acme := range []bool{false, true} {
		c := newCluster()
		for _, name := range []string{"asks", "asks-not"} {
			key := config.Key{Namespace: "t", Name: name}
			c.ingress[key] = &config.Ingress{Key: key, ACME: name == "asks", TLS: []config.IngressTLS{{Hosts: []string{name + ".test"}, Secret: key}}}
		}
		l := newLeader(c, Options{ACME: acme})
		snap := c.snapshot()
		snap.Changed = config.Changes{All: true}
		l.step(snap, time.Now())
		all := strings.Join(c.events, "\n")
		if strings.Contains(all, "Secret t/asks of") == acme || !strings.Contains(all, "Secret t/asks-not of") {
			t.Errorf("ACME %v: %s", acme, all)
		}
	}
}
