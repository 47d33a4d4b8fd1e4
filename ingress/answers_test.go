package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

// TestAnswersOfOurOwn: what a client is told who gets no answer of a backend.
func TestAnswersOfOurOwn(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver engine.Driver) {
		r := run(t, func(o *Options) { o.Driver = driver })
		snap := snapshot(backend(t, "x"), nil)
		services := snap.Services.Edit()
		services.Set(key("idle"), &config.Service{Key: key("idle"), Ports: []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80}}})
		snap.Services = services.Done()
		ing, _ := snap.Ingresses.Get(key("ing"))
		for _, name := range []string{"idle", "nosuch"} {
			ing.Rules = append(ing.Rules, config.IngressRule{Host: "shop.test", Path: "/" + name, Type: config.PathPrefix, Backend: config.IngressBackend{Service: key(name), PortName: "http"}})
		}
		r.send(snap)
		plain, _ := r.Addrs()
		for _, c := range []struct {
			host, target string
			status       int
			want         string // at the end of the body
		}{
			{"Shop.Test:80", "/%69dle/x", 503, "503 Service Unavailable: the backend of this route has no ready endpoint\n"},
			{"shop.test", "/nosuch", 503, "503 Service Unavailable: the backend of this route is not set up; its Ingress says why\n"},
			{"shop.test", "/nosuchy", 200, "x"},
			{"shop.test", "/idle%2Fx", 200, "x"},
			{"other.test", "/", 404, "for this host and path\n"},
			{"shop.test", "/a/..%2fidle", 400, "\n"},
			// The route of /nosuch, however it is written, or a refusal.
			{"shop.test", "/x/../nosuch", 503, "its Ingress says why\n"},
			{"shop.test", "//nosuch", 503, "its Ingress says why\n"},
			{"shop.test", "/%6eosuch", 503, "its Ingress says why\n"},
			{"shop.test", "/a%2Fb^c/../nosuch", 503, "its Ingress says why\n"},
			{"other.test", "http://shop.test/nosuch", 503, "its Ingress says why\n"},
			{"other.test", "http://shop.test", 200, "x"},
			{"shop.test", "http://u:p@shop.test/", 400, "\n"},
			{"shop.test", "http:nosuch", 400, "\n"},
			{"shop.test", "/..", 400, "\n"},
			{"shop.test", "/x/%2e%2e/nosuch", 400, "\n"},
			{"shop.test", "/x/..;/nosuch", 400, "\n"},
			{"shop.test", `/x\..\nosuch`, 400, "\n"},
			{"shop.test", "/a%00", 400, "\n"},
			{"shop.test", "/a%zz", 400, "\n"},
		} {
			status, body := say(t, plain[0], c.host, c.target)
			if status != c.status || len(body) < len(c.want) || body[len(body)-len(c.want):] != c.want {
				t.Errorf("%s at %s: %d %q, want %d and %q", c.target, c.host, status, body, c.status, c.want)
			}
		}
	})
}

// say asks for a target exactly as it is written.
func say(t *testing.T, addr, host, target string) (status int, body string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s at %s: %v", target, host, err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestRollingEndpoints: endpoints are replaced one after the other under load, and
// no request fails. One that is taken out of the snapshot ends as a pod does: it
// serves what it has, and is gone.
func TestRollingEndpoints(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver engine.Driver) {
		r := run(t, func(o *Options) { o.Driver = driver })
		first := newPod(t)
		r.send(snapshot(first.addr, nil))
		plain, _ := r.Addrs()
		stop, failed, asked := make(chan struct{}), make(chan error, clients), make(chan int, clients)
		for range clients {
			go func() {
				n, err := askOn(plain[0], stop)
				failed <- err
				asked <- n
			}()
		}
		for range rolls {
			next := newPod(t)
			r.send(snapshot(next.addr, nil))
			first.leave()
			first = next
		}
		close(stop)
		total := 0
		for range clients {
			if err := <-failed; err != nil {
				t.Error(err)
			}
			total += <-asked
		}
		t.Logf("%d requests over %d endpoints", total, rolls)
		if total < rolls {
			t.Errorf("only %d requests", total)
		}
	})
}

const clients, rolls = 4, 20

// askOn asks one request after the other, and tells how many were answered well.
func askOn(addr string, stop <-chan struct{}) (n int, err error) {
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: 10 * time.Second}
	for ; ; n++ {
		select {
		case <-stop:
			return n, nil
		default:
		}
		req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			return n, err
		}
		req.Host = "shop.test"
		res, err := client.Do(req)
		if err != nil {
			return n, err
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || string(text) != "pod" {
			return n, fmt.Errorf("request %d: %d %q %w", n, res.StatusCode, text, err)
		}
	}
}

// pod is a backend that ends in order.
type pod struct {
	server *http.Server
	addr   string
}

func newPod(t *testing.T) *pod {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "pod") })}, l.Addr().String()}
	go func() { _ = p.server.Serve(l) }()
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

// leave waits a moment for what is on its way, serves what has begun, and ends.
func (p *pod) leave() {
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.server.Shutdown(ctx)
}
