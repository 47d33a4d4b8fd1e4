package healthport

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

var web = config.Key{Namespace: "shop", Name: "web"}

// patience is for a machine that is busy with something else; a port that was
// taken is tried again after 5 s.
const patience = 40 * time.Second

// book takes events.
type book struct {
	mu   sync.Mutex
	text []string
}

func (b *book) Event(ref config.Ref, _ string, warning bool, reason, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, fmt.Sprintf("%v %v %t %s %s", ref.Kind, ref.Key, warning, reason, message))
}

func (b *book) all() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.text, "\n")
}

// run starts a server that takes proxyPort for kube-proxy's.
func run(t *testing.T, proxyPort uint16) (*Server, *book) {
	b := &book{}
	s := New(log.NewNopLogger(), Options{Node: "n1", Events: b, ProxyPort: proxyPort})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, b
}

// free is a port that nobody has in either family.
func free(t *testing.T) uint16 {
	t.Helper()
	for range 20 {
		ln, err := net.Listen("tcp4", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		port := uint16(ln.Addr().(*net.TCPAddr).Port)
		six, err := net.Listen("tcp6", fmt.Sprintf("[::]:%d", port))
		ln.Close()
		if err == nil {
			six.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func ports(svc config.Key, port uint16, four, six int) config.Table[l4proxy.HealthPort, int] {
	return config.TableOf(map[l4proxy.HealthPort]int{
		{Service: svc, Port: port, Family: config.IPv4}: four, {Service: svc, Port: port, Family: config.IPv6}: six})
}

// get is the answer as "status weight body-without-space", or "closed".
func get(family config.Family, port uint16) string {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + net.JoinHostPort(loopback(family), fmt.Sprint(port)) + "/anything")
	if err != nil {
		return "closed"
	}
	defer resp.Body.Close()
	var body any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return err.Error()
	}
	text, _ := json.Marshal(body)
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Load-Balancing-Endpoint-Weight"), " ", resp.Header.Get("Content-Type"), " ", string(text))
}

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func expect(t *testing.T, family config.Family, port uint16, want string) {
	t.Helper()
	var got string
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if got = get(family, port); got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v: got %s, want %s", family, got, want)
		}
	}
}

func says(status, n int, healthy bool) string {
	return fmt.Sprintf(`%d %d application/json {"localEndpoints":%d,"service":{"name":"web","namespace":"shop"},"serviceProxyHealthy":%t}`, status, n, n, healthy)
}

func TestAnswers(t *testing.T) {
	s, _ := run(t, free(t))
	port := free(t)
	s.Apply(ports(web, port, 2, 0), true)
	expect(t, config.IPv4, port, says(200, 2, true))
	expect(t, config.IPv6, port, says(503, 0, true))
	s.Apply(ports(web, port, 2, 1), false) // it leaves, or cannot write its table
	expect(t, config.IPv4, port, says(503, 2, false))
	s.Apply(ports(web, port, 0, 1), true)
	expect(t, config.IPv4, port, says(503, 0, true))
	expect(t, config.IPv6, port, says(200, 1, true))
	s.Apply(config.Table[l4proxy.HealthPort, int]{}, true)
	expect(t, config.IPv4, port, "closed")
	expect(t, config.IPv6, port, "closed")
}

// A port that is taken is told of once and served when it is free.
func TestPortIsTaken(t *testing.T) {
	s, events := run(t, free(t))
	port := free(t)
	thief, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	go func() { // it takes connections and says nothing sensible
		for {
			c, err := thief.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "SSH-2.0-thief\r\n")
			c.Close()
		}
	}()
	s.Apply(ports(web, port, 1, 1), true)
	expect(t, config.IPv6, port, says(200, 1, true)) // the other family is none the worse
	within(t, "no Problem", func() bool { return len(s.Problems()) == 1 })
	p := s.Problems()[0]
	if p.Object != (config.Ref{Kind: config.KindService, Key: web}) || p.Field != "spec.healthCheckNodePort" || !strings.Contains(p.Message, fmt.Sprintf("node n1 cannot listen on port %d (IPv4)", port)) {
		t.Errorf("Problem: %v", p.Error())
	}
	if got := events.all(); strings.Count(got, "Service shop/web true FailedToStartServiceHealthcheck spec.healthCheckNodePort: node n1") != 1 {
		t.Errorf("events:\n%s", got)
	}
	thief.Close()
	expect(t, config.IPv4, port, says(200, 1, true))
	if len(s.Problems()) != 0 || strings.Count(events.all(), "\n") != 0 {
		t.Errorf("afterwards: %v, events:\n%s", s.Problems(), events.all())
	}
}

// Who answers for the Service already is left alone, and is no fault.
func TestAnotherAnswers(t *testing.T) {
	s, events := run(t, free(t))
	port := free(t)
	other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"service": {"namespace": "shop", "name": "web"}, "localEndpoints": 0, "serviceProxyHealthy": true}`)
	})}
	ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = other.Serve(ln) }()
	s.Apply(ports(web, port, 1, 1), true)
	second := free(t)
	both := ports(web, port, 1, 1).Edit()
	both.Set(l4proxy.HealthPort{Service: web, Port: second, Family: config.IPv4}, 7)
	s.Apply(both.Done(), true)
	expect(t, config.IPv4, second, says(200, 7, true)) // by now the first port was looked at
	if got := get(config.IPv4, port); len(s.Problems()) != 0 || events.all() != "" || !strings.HasPrefix(got, "503") {
		t.Errorf("%v, events %q, answer %s", s.Problems(), events.all(), got)
	}
	other.Close()
	expect(t, config.IPv4, port, says(200, 1, true))
}

// Where a kube-proxy lives nothing is listened on; what is open stays open.
func TestKubeProxyLives(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan bool, 100)
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable) // it lives all the same
		asked <- r.URL.Path == "/healthz"
	})}
	defer proxy.Close()
	s := New(log.NewNopLogger(), Options{Node: "n1", ProxyPort: uint16(ln.Addr().(*net.TCPAddr).Port)})
	defer s.closeAll()
	first, second := free(t), free(t)
	ln.Close()
	now := time.Now()
	s.Apply(ports(web, first, 1, 1), true)
	s.reconcile(t.Context(), now)
	expect(t, config.IPv4, first, says(200, 1, true))

	if ln, err = net.Listen("tcp4", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	go func() { _ = proxy.Serve(ln) }()
	all := ports(web, first, 1, 1).Edit()
	all.Set(l4proxy.HealthPort{Service: web, Port: second, Family: config.IPv4}, 1)
	s.Apply(all.Done(), true)
	s.reconcile(t.Context(), now)
	if !<-asked || get(config.IPv4, second) != "closed" || get(config.IPv4, first) != says(200, 1, true) {
		t.Errorf("beside kube-proxy: %s and %s", get(config.IPv4, first), get(config.IPv4, second))
	}
	proxy.Close()
	s.reconcile(t.Context(), now.Add(absence-time.Second)) // it restarts
	if get(config.IPv4, second) != "closed" {
		t.Error("a kube-proxy that restarts lost its port")
	}
	s.reconcile(t.Context(), now.Add(absence+time.Second))
	expect(t, config.IPv4, second, says(200, 1, true))
}
