package pebble

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// A certificate for two hosts, proven at both replicas, is shown by both, and
// clients accept its chain. One order is all that it takes.
func TestIssue(t *testing.T) {
	for _, kind := range []string{config.ChallengeHTTP, config.ChallengeALPN} {
		t.Run(kind, func(t *testing.T) {
			plain, secure := ports(t)
			a := newAuthority(t, settings{http: plain, tls: secure, nonces: "20"})
			c := newCluster(asks("web", "www.shop.test", "shop.test"))
			logs := serve(t, c, plain, secure)
			opts := options(a)
			opts.Challenges = []string{kind}
			lead(t, t.Context(), c, opts)
			for n, addr := range replicaAddrs {
				c.eventually(t, "both replicas show it", func() bool {
					leaf, err := shown(addr, secure, "www.shop.test", a.roots)
					return err == nil && leaf.VerifyHostname("shop.test") == nil
				})
				if kind == config.ChallengeHTTP {
					c.eventually(t, "replica "+addr+" was asked", func() bool { return logs[n].count("acme-challenge") > 0 })
				}
			}
			c.eventually(t, "it is told", func() bool { return c.said("Ingress shop/web false CertificateIssued") == 1 })
			if o := c.order("web"); a.signed.Load() != 1 || o.State != config.OrderIssued || len(o.Challenges) > 0 || len(o.Begun) != 1 || c.said("not issued") > 0 {
				t.Errorf("%d certificates signed, %+v, %q", a.signed.Load(), o, c.events)
			}
		})
	}
}

// What an authority asks of accounts: a key that binds them to external ones.
func TestExternalAccount(t *testing.T) {
	plain, secure := ports(t)
	mac := []byte("0123456789abcdef0123456789abcdef")
	a := newAuthority(t, settings{http: plain, tls: secure, eab: map[string]string{"kid-1": base64.RawURLEncoding.EncodeToString(mac)}})
	c := newCluster(asks("web", "shop.test"))
	serve(t, c, plain, secure)
	opts := options(a)
	stop := lead(t, t.Context(), c, opts)
	c.eventually(t, "the refusal is told", func() bool { return c.said("externalAccountRequired") > 0 })
	stop()
	if c.leaf("web") != nil {
		t.Error("a certificate without an account")
	}
	opts.KeyID, opts.MACKey = "kid-1", mac
	c.change(func() { clear(c.orders) }) // at once
	lead(t, t.Context(), c, opts)
	c.eventually(t, "it is issued", func() bool { return c.leaf("web") != nil })
}

// A certificate is renewed before it ends, while the old one is served.
func TestRenew(t *testing.T) {
	plain, secure := ports(t)
	a := newAuthority(t, settings{http: plain, tls: secure, life: 30})
	c := newCluster(asks("web", "shop.test"))
	serve(t, c, plain, secure)
	lead(t, t.Context(), c, options(a))
	c.eventually(t, "it is issued", func() bool { return c.leaf("web") != nil })
	first := c.leaf("web")
	c.eventually(t, "it is renewed", func() bool { return c.leaf("web").SerialNumber.Cmp(first.SerialNumber) != 0 })
	second := c.leaf("web")
	if !second.NotBefore.Before(first.NotAfter) {
		t.Errorf("renewed at %v, the first ended at %v", second.NotBefore, first.NotAfter)
	}
	if string(first.RawSubjectPublicKeyInfo) == string(second.RawSubjectPublicKeyInfo) {
		t.Error("the key is the same")
	}
	c.eventually(t, "the new one is shown", func() bool {
		leaf, err := shown(replicaAddrs[0], secure, "shop.test", a.roots)
		return err == nil && leaf.SerialNumber.Cmp(first.SerialNumber) != 0
	})
}

// More hosts, another certificate; a Secret that is deleted comes back.
func TestHostsChangeAndSecretsGo(t *testing.T) {
	plain, secure := ports(t)
	a := newAuthority(t, settings{http: plain, tls: secure})
	c := newCluster(asks("web", "shop.test"))
	serve(t, c, plain, secure)
	lead(t, t.Context(), c, options(a))
	c.eventually(t, "it is issued", func() bool { return c.leaf("web") != nil })
	c.change(func() { c.ingresses[key("web")] = asks("web", "shop.test", "cart.test") })
	c.eventually(t, "it is for both", func() bool { return c.leaf("web").VerifyHostname("cart.test") == nil })
	c.change(func() { delete(c.certs, key("web")) })
	c.eventually(t, "it is back", func() bool { return c.leaf("web") != nil })
}

// The annotation revokes: the new certificate first, then the old one is void.
func TestRevoke(t *testing.T) {
	plain, secure := ports(t)
	a := newAuthority(t, settings{http: plain, tls: secure})
	c := newCluster(asks("web", "shop.test"))
	serve(t, c, plain, secure)
	lead(t, t.Context(), c, options(a))
	c.eventually(t, "it is issued", func() bool { return c.leaf("web") != nil })
	first := c.leaf("web")
	c.change(func() {
		marked := *c.certs[key("web")]
		marked.Revoke = "keyCompromise"
		c.certs[key("web")] = &marked
	})
	c.eventually(t, "it is replaced", func() bool { return c.leaf("web").SerialNumber.Cmp(first.SerialNumber) != 0 })
	revoked := a.db.GetRevokedCertificateByDER(first.Raw)
	if revoked == nil || revoked.Reason == nil || *revoked.Reason != 1 {
		t.Errorf("the first: %+v", revoked)
	}
	if a.db.GetRevokedCertificateByDER(c.leaf("web").Raw) != nil {
		t.Error("the new one is revoked too")
	}
	c.eventually(t, "it is told", func() bool { return c.said("the old certificate was revoked: keyCompromise") == 1 })
}

// The leader dies after any of its writes, or when a certificate was signed and
// not yet fetched: the next one ends what was begun, and no second certificate
// is signed.
func TestLeaderDies(t *testing.T) {
	plain, secure := ports(t)
	a := newAuthority(t, settings{http: plain, tls: secure})
	for n, whole := 1, false; !whole; n++ {
		t.Run(fmt.Sprintf("after write %d", n), func(t *testing.T) {
			c := newCluster(asks("web", "shop.test"))
			serve(t, c, plain, secure)
			alive, die := context.WithCancel(t.Context())
			defer die()
			c.wrote = func(at int) {
				if at == n {
					die()
				}
			}
			signed := a.signed.Load()
			stop := lead(t, alive, c, options(a))
			c.eventually(t, "it is dead or done", func() bool {
				return alive.Err() != nil || c.order("web") != nil && c.order("web").State == config.OrderIssued
			})
			whole = alive.Err() == nil
			stop()
			c.followed(t, a, signed)
		})
		if n > 20 {
			t.Fatal("an order takes more than 20 writes")
		}
	}
	t.Run("before the chain is fetched", func(t *testing.T) {
		c := newCluster(asks("web", "shop.test"))
		serve(t, c, plain, secure)
		alive, die := context.WithCancel(t.Context())
		defer die()
		a.breaks(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasPrefix(r.URL.Path, "/certZ/") {
				die()
				return
			}
			next.ServeHTTP(w, r)
		})
		signed := a.signed.Load()
		stop := lead(t, alive, c, options(a))
		c.eventually(t, "it is dead", func() bool { return alive.Err() != nil })
		stop()
		a.breaks(nil)
		if c.leaf("web") != nil {
			t.Fatal("it came all the same")
		}
		c.followed(t, a, signed)
	})
}

// followed has the next leader end an order, and expects one certificate more
// than were signed before it was begun.
func (c *cluster) followed(t *testing.T, a *authority, signed int64) {
	t.Helper()
	c.wrote = nil
	stop := lead(t, t.Context(), c, options(a))
	c.eventually(t, "the next leader has it", func() bool { return c.leaf("web") != nil })
	stop()
	if got := a.signed.Load() - signed; got != 1 {
		t.Errorf("%d certificates were signed", got)
	}
}
