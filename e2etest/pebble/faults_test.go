package pebble

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// at breaks requests whose path begins so.
func at(prefix string, fault http.HandlerFunc) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			fault(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// refuse answers with a problem document (RFC 7807), and a nonce to go on with.
func refuse(code int, kind, detail string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail, "status": code})
	}
}

// forged is a certificate for a host whose key nobody here has.
func forged(t *testing.T, host string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// An authority that fails, sets limits or lies: the Ingress is told which host
// and why, nothing that clients would refuse is written, it is asked again no
// sooner than it shall be, and once it is well the certificate comes.
func TestFaults(t *testing.T) {
	plain, secure := ports(t)
	a := newAuthority(t, settings{http: plain, tls: secure})
	write := func(code int, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write(body)
		}
	}
	for name, c := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request, http.Handler)
		told  string
		waits time.Duration // at least, before it is asked again
		kept  bool          // the order is, to be gone on with
	}{
		"fails":              {fault: at("/order-plz", write(503, []byte("busy"))), told: "busy"},
		"is no authority":    {fault: at("/dir", write(200, []byte("<html>"))), told: "invalid character"},
		"sets a limit":       {fault: at("/order-plz", refuse(429, "rateLimited", "too many orders", "Retry-After", "7200")), told: "too many orders (429 rateLimited)", waits: 2 * time.Hour},
		"limits for ever":    {fault: at("/order-plz", refuse(429, "rateLimited", "go away", "Retry-After", "99999999999")), told: "go away", waits: time.Hour},
		"refuses the host":   {fault: at("/order-plz", refuse(400, "rejectedIdentifier", "not for shop.test")), told: "not for shop.test (400 rejectedIdentifier)", waits: 5 * time.Second},
		"forges":             {fault: at("/certZ/", write(200, forged(t, "shop.test"))), told: "is for another key", waits: 5 * time.Second},
		"sends no chain":     {fault: at("/certZ/", write(200, []byte("hello"))), told: "chain is empty", kept: true},
		"sends a long chain": {fault: at("/certZ/", write(200, bytes.Repeat(forged(t, "shop.test"), 9000))), told: "chain is too", kept: true},
		"loses the order":    {fault: at("/my-order/", refuse(404, "malformed", "no such order")), told: "no such order", waits: 5 * time.Second},
		"shouts":             {fault: at("/order-plz", refuse(400, "malformed", "a\x00b\nc"+strings.Repeat("d", 5000))), told: "a b cddd", waits: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			a.breaks(c.fault)
			defer a.breaks(nil)
			cl := newCluster(asks("web", "shop.test"))
			serve(t, cl, plain, secure)
			stop := lead(t, t.Context(), cl, options(a))
			cl.eventually(t, "it is told", func() bool { return cl.said("the certificate for shop.test was not issued") > 0 })
			stop()
			if cl.said(c.told) == 0 {
				t.Errorf("it is not told why: %q", cl.events)
			}
			for _, e := range cl.events {
				if len(e) > 1024 {
					t.Errorf("an event of %d bytes", len(e))
				}
			}
			o := cl.order("web")
			if o.State != config.OrderFailed || o.Fails != 1 || cl.leaf("web") != nil {
				t.Errorf("%+v", o)
			}
			if wait := time.Until(o.Retry); wait < c.waits-5*time.Second || wait > 8*24*time.Hour {
				t.Errorf("it is asked again in %v", wait)
			}
			if c.kept != (o.URL != "") || c.kept && len(o.PrivateKey) == 0 {
				t.Errorf("what is kept of the order: %+v", o)
			}
			a.breaks(nil)
			cl.change(func() { // the time has come
				again := *o
				again.Retry = time.Now()
				cl.orders[o.Key] = &again
			})
			lead(t, t.Context(), cl, options(a))
			cl.eventually(t, "it is issued", func() bool { return cl.leaf("web") != nil })
		})
	}
}

// A host that cannot be proven fails by name; its neighbours are served.
func TestHostsThatCannotBeProven(t *testing.T) {
	plain, secure := ports(t)
	a := newAuthority(t, settings{http: plain, tls: secure, blocklist: []string{"blocked.test"}})
	c := newCluster(asks("good", "good.test"), asks("gone", "nobody.example"), asks("blocked", "blocked.test"), asks("wild", "*.wild.test"), asks("taken", "taken.test"))
	c.others[key("taken")] = true
	serve(t, c, plain, secure)
	lead(t, t.Context(), c, options(a))
	c.eventually(t, "the good one is issued", func() bool { return c.leaf("good") != nil })
	for ingress, text := range map[string]string{
		"gone": "host nobody.example: ", "blocked": "blocked.test", "wild": "a wildcard cannot be proven", "taken": "delete that Secret, or name another",
	} {
		c.eventually(t, ingress+" is told", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, e := range c.events {
				if strings.HasPrefix(e, fmt.Sprintf("Ingress shop/%s true ", ingress)) && strings.Contains(e, text) {
					return true
				}
			}
			return false
		})
	}
}
