package engine

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	a.leaf = a.sign(t, "authority", &a.key.PublicKey, true)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t testing.TB, name string, key *ecdsa.PublicKey, isCA bool) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: isCA, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent := a.leaf
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// issue makes a certificate for a name, and for the loopback.
func (a *authority) issue(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	leaf := a.sign(t, name, &key.PublicKey, false)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.leaf)
	return p
}

// one is a certificate for whoever asks.
type one tls.Certificate

func (c *one) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return (*tls.Certificate)(c), nil
}

// secured gives a running engine a certificate, and returns the address of its
// listener for HTTPS and who signed the certificate.
func (r *rig) secured(endpoints ...string) (addr string, ca *authority) {
	r.t.Helper()
	ca = newAuthority(r.t)
	cfg := leadTo(endpoints...)
	cfg.TLS.Certificates = (*one)(ca.issue(r.t, "shop.test"))
	r.Apply(cfg)
	return r.Addrs()[2], ca
}

// dialTLS is dial with a handshake.
func dialTLS(t *testing.T, addr string, cfg *tls.Config) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	c := tls.Client(dial(t, addr), cfg)
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// TestTLS: requests over either version of TLS, one after the other, with bodies
// of more than a record, and what the backend hears of it.
func TestTLS(t *testing.T) {
	r := start(t, Options{})
	addr, ca := r.secured(origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+r.Header.Get("X-Forwarded-Port")+string(body))
	}))
	_, port, _ := net.SplitHostPort(addr)
	large := strings.Repeat("0123456789abcdef", 64<<10)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool(), MaxVersion: version}}
		c := &http.Client{Transport: tr, Timeout: time.Minute}
		for _, body := range []string{"", "x", large} {
			res, err := c.Post("https://"+addr, "", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if string(b) != "https"+port+body || err != nil || res.TLS.Version != version {
				t.Errorf("%.100q, %v, version %x", b, err, res.TLS.Version)
			}
		}
		tr.CloseIdleConnections()
	}
	old := tls.Client(dial(t, addr), &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if old.Handshake() == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// TestFarewell: an answer that ends with its connection ends with close_notify,
// and one that breaks off does not.
func TestFarewell(t *testing.T) {
	r := start(t, Options{})
	for answer, whole := range map[string]bool{ok: true, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok": false} {
		addr, _ := r.secured(scripted(t, answer).addr)
		c, in := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
		_, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
		if b, err := io.ReadAll(in); (err == nil) != whole {
			t.Errorf("after %q: %v", b, err)
		}
	}
}

// TestHTTPOnTLS: a client that forgot the s of https is told so.
func TestHTTPOnTLS(t *testing.T) {
	r := start(t, Options{})
	addr, _ := r.secured()
	conn := dial(t, addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, body, res := conn.hears("GET"); status != 400 || !strings.Contains(body, "https://") || !res.Close {
		t.Errorf("%d %q", status, body)
	}
	conn.isClosed()
	other := dial(t, addr)
	other.say("SSH-2.0-OpenSSH_9.2\r\n")
	if b, _ := io.ReadAll(other.in); strings.Contains(string(b), "HTTP") {
		t.Errorf("who speaks neither heard %q", b)
	}
}

// TestTickets: sessions are resumed by a second engine that has the same keys,
// by one that has them further down, and not by one that has others.
func TestTickets(t *testing.T) {
	first, second := [32]byte{1}, [32]byte{2}
	ca := newAuthority(t)
	cert := (*one)(ca.issue(t, "shop.test"))
	with := func(keys ...[32]byte) string {
		r := start(t, Options{}, scripted(t, ok, ok, ok).addr)
		cfg := r.state.Load().Config
		cfg.TLS = TLS{Certificates: cert, TicketKeys: keys}
		r.Apply(cfg)
		return r.Addrs()[2]
	}
	cache := tls.NewLRUClientSessionCache(1)
	resumes := func(addr string) bool {
		c, in := dialTLS(t, addr, &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test", ClientSessionCache: cache})
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := http.ReadResponse(in, nil); err != nil { // the ticket comes before it
			t.Fatal(err)
		}
		return c.ConnectionState().DidResume
	}
	if resumes(with(first)) || !resumes(with(first)) || !resumes(with(second, first)) || !resumes(with(second)) || resumes(with(first)) {
		t.Error("sessions are not resumed by the keys that they should be")
	}
}

// TestTicketsOutliveASwap: a new Config does not make the keys of the process
// anew.
func TestTicketsOutliveASwap(t *testing.T) {
	r := start(t, Options{})
	addr, ca := r.secured(scripted(t, ok).addr)
	cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, want := range []bool{false, true} {
		c, in := dialTLS(t, addr, cfg)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
		if c.ConnectionState().DidResume != want {
			t.Errorf("resumed: %t", !want)
		}
		r.Apply(r.state.Load().Config)
	}
}

// TestClientCertificates: who has to show a certificate and does not, or one of
// somebody else, is not served.
func TestClientCertificates(t *testing.T) {
	r := start(t, Options{}, scripted(t, ok).addr)
	addr, ca := r.secured(scripted(t, ok).addr)
	cfg := r.state.Load().Config
	cfg.TLS.ClientAuth, cfg.TLS.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
	r.Apply(cfg)
	for name, c := range map[string]struct {
		certs []tls.Certificate
		works bool
	}{"none": {nil, false}, "of ours": {[]tls.Certificate{*ca.issue(t, "client")}, true}, "of others": {[]tls.Certificate{*newAuthority(t).issue(t, "client")}, false}} {
		conn, in := dialTLS(t, addr, &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test", Certificates: c.certs})
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := http.ReadResponse(in, nil); (err == nil) != c.works { // in TLS 1.3 the client is refused after its handshake
			t.Errorf("certificate %s: %v", name, err)
		}
	}
}

// TestSlowHandshakes: more clients than may be in a handshake at once that stop
// half-way neither keep another from being served, nor stay for ever.
func TestSlowHandshakes(t *testing.T) {
	r := start(t, Options{Header: 2 * time.Second}, scripted(t, ok).addr)
	addr, ca := r.secured(scripted(t, ok).addr)
	var slow []*raw
	for range 8 * runtime.GOMAXPROCS(0) {
		c := dial(t, addr)
		c.say("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
		slow = append(slow, c)
	}
	c, in := dialTLS(t, addr, &tls.Config{RootCAs: ca.pool(), ServerName: "shop.test"})
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("%v", err)
	}
	if n, of := r.served(); n+of != len(slow)+1 {
		t.Errorf("served when %d of %d slow handshakes had ended", len(slow)+1-n-of, len(slow))
	}
	for _, c := range slow {
		if _, err := io.Copy(io.Discard, c.in); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHandshakesLeaveNothing: what a connection over TLS took is given back when it ends,
// whether it was used, resumed, or cut.
func TestHandshakesLeaveNothing(t *testing.T) {
	r := start(t, Options{})
	addr, _ := r.secured(origin(t, echo))
	cached := tls.NewLRUClientSessionCache(1)
	shake := func(i int) {
		cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "shop.test", NextProtos: []string{[]string{"h2", "http/1.1"}[i%2]}}
		if i%3 == 0 {
			cfg.ClientSessionCache = cached
		}
		c, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if i%4 == 1 { // HTTP/1.1
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}
		if i%8 == 7 {
			_ = c.NetConn().(*net.TCPConn).SetLinger(0)
			_ = c.NetConn().Close()
		}
		_ = c.Close()
	}
	const some = 600
	heap := func() int64 {
		for i := range some {
			shake(i)
		}
		for n, of := r.served(); n+of > 0; n, of = r.served() {
			time.Sleep(time.Millisecond)
		}
		var m runtime.MemStats
		for range 3 { // of pools, too
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	heap()
	if before, after := heap(), heap(); after-before > some*200 { // the state of one takes some KiB
		t.Errorf("%d bytes stayed of each handshake", (after-before)/some)
	}
}

// TestCurlTLS: what curl makes of it, over HTTP/1.1.
func TestCurlTLS(t *testing.T) {
	r := start(t, Options{})
	addr, _ := r.secured(origin(t, echo))
	out, err := exec.Command("curl", "-gksS", "--http1.1", "--fail", "--max-time", "20", "--noproxy", "*", "--data", "hello", "https://"+addr+"/x").CombinedOutput()
	if err != nil || string(out) != "POST /x "+addr+" 5\nhello" {
		t.Errorf("%q, %v", out, err)
	}
}
