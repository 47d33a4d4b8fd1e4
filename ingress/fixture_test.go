package ingress

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

// notes is a Health, and a log, that a test can read.
type notes struct {
	mu    sync.Mutex
	state string
	log   bytes.Buffer
}

func (n *notes) Ready(part string) { n.NotReady(part, "ready") }
func (n *notes) NotReady(part, reason string) {
	n.mu.Lock()
	n.state = part + ": " + reason
	n.mu.Unlock()
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

func (n *notes) read() (state, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, n.log.String()
}

// eachDriver runs a test with each of them.
func eachDriver(t *testing.T, test func(*testing.T, engine.Driver)) {
	for _, d := range []engine.Driver{engine.Loops, engine.Goroutines} {
		t.Run(string(d), func(t *testing.T) { test(t, d) })
	}
}

type running struct {
	*Server
	t     *testing.T
	snaps chan *config.Snapshot
	notes *notes
	stop  context.CancelFunc
	done  chan error
}

func run(t *testing.T, change func(*Options)) *running {
	t.Helper()
	r := &running{t: t, snaps: make(chan *config.Snapshot), notes: &notes{}, done: make(chan error, 1)}
	opts := Options{
		Snapshots: r.snaps, Logger: log.NewLogfmtLogger(r.notes), Registerer: prometheus.NewRegistry(), Health: r.notes,
		HTTPAddr: "127.0.0.1:0, [::1]:0", HTTPSAddr: "127.0.0.1:0", Grace: 2 * time.Second,
	}
	if change != nil {
		change(&opts)
	}
	var err error
	if r.Server, err = New(opts); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(func() { r.end() })
	return r
}

func (r *running) end() {
	r.stop()
	err := <-r.done
	if err != nil {
		r.t.Errorf("Run: %v", err)
	}
	r.done <- err
}

func key(name string) config.Key { return config.Key{Namespace: "shop", Name: name} }

// snapshot has one Ingress for host shop.test, path /, to one endpoint, with
// TLS by a Secret.
func snapshot(endpoint string, secret *config.Certificate) *config.Snapshot {
	ing := &config.Ingress{
		Key:   key("ing"),
		Rules: []config.IngressRule{{Host: "shop.test", Path: "/", Type: config.PathPrefix, Backend: config.IngressBackend{Service: key("web"), PortName: "http"}}},
		TLS:   []config.IngressTLS{{Hosts: []string{"shop.test"}, Secret: key("tls")}},
	}
	svc := &config.Service{Key: key("web"), Ports: []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80}}}
	eps := &config.Endpoints{Service: key("web"), Ports: []config.EndpointPort{{Name: "http", Proto: config.TCP, Backends: []config.Backend{
		{Addr: netip.MustParseAddrPort(endpoint), Ready: true},
	}}}}
	snap := &config.Snapshot{
		Ingresses: config.TableOf(map[config.Key]*config.Ingress{ing.Key: ing}),
		Services:  config.TableOf(map[config.Key]*config.Service{svc.Key: svc}),
		Endpoints: config.TableOf(map[config.Key]*config.Endpoints{svc.Key: eps}),
	}
	if secret != nil {
		snap.Certificates = config.TableOf(map[config.Key]*config.Certificate{secret.Key: secret})
	}
	return snap
}

func backend(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func secret(t *testing.T, host string) *config.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Certificate{
		Key:        key("tls"),
		Chain:      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	}
}

// get asks for shop.test on one address and returns the body, with the code
// if it is not 200, and the name in the certificate.
func get(t *testing.T, scheme, addr string) (body, certName string) {
	t.Helper()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the name is compared by the caller
		DisableKeepAlives: true,
	}
	res, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Get(scheme + "://shop.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body = string(text); res.StatusCode != 200 {
		body = fmt.Sprint(res.StatusCode)
	}
	if res.TLS != nil {
		certName = res.TLS.PeerCertificates[0].DNSNames[0]
	}
	return body, certName
}

// send hands over a snapshot and waits until it is applied.
func (r *running) send(snap *config.Snapshot) {
	r.snaps <- snap
	r.snaps <- snap // taken only when the first was applied
}

func (r *running) eventually(state string) {
	r.t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got, _ := r.notes.read()
		if got == state {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("health is %q, want %q", got, state)
		}
	}
}
