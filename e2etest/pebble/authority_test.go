package pebble

import (
	"cmp"
	"crypto/x509"
	"io"
	stdlog "log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// authority is a Pebble, with a hook before it.
type authority struct {
	*httptest.Server
	db    *db.MemoryStore
	roots *x509.CertPool // who signs what it issues

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request, next http.Handler) // instead of Pebble; nil: none

	signed atomic.Int64 // certificates
}

// settings are what differs between tests.
type settings struct {
	life      uint64            // seconds that certificates live; 0: 90 days
	nonces    string            // percent of good nonces that are refused
	eab       map[string]string // keys of external accounts, which are then required
	blocklist []string
	http, tls int // ports at which replicas answer
}

func newAuthority(t *testing.T, s settings) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0") // every order proves anew
	t.Setenv("PEBBLE_WFE_NONCEREJECT", cmp.Or(s.nonces, "0"))
	logger := stdlog.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	for id, key := range s.eab {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range s.blocklist {
		if err := store.AddBlockedDomain(name); err != nil {
			t.Fatal(err)
		}
	}
	signer := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: s.life}})
	validator := va.New(logger, s.http, s.tls, true, resolver(t), store)
	front := wfe.New(logger, store, validator, signer, []string{"ca.test"}, true, len(s.eab) > 0, 1, 1)
	a := &authority{db: store, roots: x509.NewCertPool()}
	a.roots.AddCert(signer.GetRootCert(0).Cert)
	pebble := front.Handler()
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		fault := a.fault
		a.mu.Unlock()
		if fault != nil {
			fault(w, r, a.counted(pebble))
			return
		}
		a.counted(pebble).ServeHTTP(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// counted counts orders that were signed.
func (a *authority) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/finalize-order/") {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		if rec.Code == http.StatusOK {
			a.signed.Add(1)
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// directory is where it is found.
func (a *authority) directory() string { return a.URL + wfe.DirectoryPath }

// trust is who may be believed to be it.
func (a *authority) trust() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Certificate())
	return p
}

func (a *authority) breaks(fault func(http.ResponseWriter, *http.Request, http.Handler)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault = fault
}

// resolver is a name server that knows every name of test, and leads it to one
// replica and to the other in turn.
func resolver(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // as Pebble asks
	if err != nil {
		t.Fatal(err)
	}
	var turn atomic.Int64
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA && strings.HasSuffix(q.Question[0].Name, ".test.") {
			addr := replicaAddrs[int(turn.Add(1))%len(replicaAddrs)]
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(addr)})
		}
		_ = w.WriteMsg(m)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = server.Shutdown()
		<-done
	})
	return l.Addr().String()
}
