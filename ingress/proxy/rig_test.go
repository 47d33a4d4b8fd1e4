package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// rig is a running proxy on loopback, with clients that resolve every host
// to it.
type rig struct {
	*Proxy
	t        *testing.T
	registry *prometheus.Registry
	roots    *x509.CertPool
	certs    certs
	stop     context.CancelFunc // begins the end
	done     chan error         // what Run returned
	log      *lines
}

// lines is a log that tests can read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, registry: prometheus.NewRegistry(), roots: x509.NewCertPool(), certs: certs{}, done: make(chan error, 1), log: &lines{}}
	for _, name := range []string{"a.test", "b.test"} {
		r.certs[name] = newCert(t, name, r.roots)
	}
	opts := Options{
		HTTP: []string{"127.0.0.1:0", "[::1]:0"}, HTTPS: []string{"127.0.0.1:0", "[::1]:0"},
		AccessLog: log.NewLogfmtLogger(r.log), Registerer: r.registry, Grace: 5 * time.Second,
	}
	for _, c := range change {
		c(&opts)
	}
	var err error
	if r.Proxy, err = New(opts); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(func() { r.end() })
	return r
}

// end stops the proxy and waits for it. It may be called again.
func (r *rig) end() {
	r.stop()
	err := <-r.done
	if err != nil {
		r.t.Errorf("Run: %v", err)
	}
	r.done <- err
}

// serve applies a table with the given routes: "host/path" → endpoints.
// Without endpoints a Service is idle; with the only endpoint "-", missing.
func (r *rig) serve(routes map[string][]string) {
	r.t.Helper()
	r.Apply(tableOf(r.t, routes), r.certs)
}

func tableOf(t *testing.T, routes map[string][]string) *route.Table {
	t.Helper()
	ing := &config.Ingress{Key: config.Key{Namespace: "default", Name: "ing"}}
	services, endpoints := map[config.Key]*config.Service{}, map[config.Key]*config.Endpoints{}
	for url, addrs := range routes {
		key := config.Key{Namespace: "default", Name: "svc-" + strings.ReplaceAll(url, "/", "-")}
		i := strings.IndexByte(url, '/')
		ing.Rules = append(ing.Rules, config.IngressRule{Host: url[:i], Path: url[i:], Type: config.PathPrefix, Backend: config.IngressBackend{Service: key, Port: 80}})
		if len(addrs) == 1 && addrs[0] == "-" {
			continue
		}
		port := config.EndpointPort{Proto: config.TCP}
		for _, a := range addrs {
			port.Backends = append(port.Backends, config.Backend{Addr: netip.MustParseAddrPort(a), Ready: true})
		}
		services[key] = &config.Service{Key: key, Ports: []config.ServicePort{{Proto: config.TCP, Port: 80}}}
		endpoints[key] = &config.Endpoints{Service: key, Ports: []config.EndpointPort{port}}
	}
	table, _ := route.Build(route.Input{Snapshot: &config.Snapshot{
		Ingresses: config.TableOf(map[config.Key]*config.Ingress{ing.Key: ing}),
		Services:  config.TableOf(services), Endpoints: config.TableOf(endpoints),
	}})
	return table
}

// client reaches the proxy's i-th listener (0: 127.0.0.1, 1: ::1) whatever the
// URL says. With h2, HTTPS is HTTP/2.
func (r *rig) client(i int, h2 bool) *http.Client {
	plain, secure := r.Addrs()
	var d net.Dialer
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := plain[i]
			if strings.HasSuffix(addr, ":443") {
				to = secure[i]
			}
			return d.DialContext(ctx, network, to)
		},
		TLSClientConfig:     &tls.Config{RootCAs: r.roots},
		Protocols:           new(http.Protocols),
		MaxIdleConnsPerHost: 64,
	}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get is the code and the body of a GET through the first listener.
func (r *rig) get(url string) (int, string) {
	r.t.Helper()
	return do(r.t, r.client(0, false), http.MethodGet, url, nil)
}

func do(t *testing.T, c *http.Client, method, url string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return res.StatusCode, string(text)
}

// backend starts a server and returns its address.
func backend(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

// named is a backend that answers with its name.
func named(t *testing.T, name string) string {
	t.Helper()
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, name)
	})
}

// dead is an address that refuses connections.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// metric is the value of a counter or gauge, summed over its series that have
// the label value, if one is given.
func (r *rig) metric(name string, label ...string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "steelyard_ingress_"+name && (len(label) == 0 || m.GetLabel()[0].GetValue() == label[0]) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
