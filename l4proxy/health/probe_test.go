package health

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// patience is the timeout of checks that are to be answered, on however slow a
// machine; haste that of checks that are not.
const (
	patience = 10 * time.Second
	haste    = 200 * time.Millisecond
)

// website answers by HTTP, or by HTTPS with a certificate that nobody trusts.
func website(t *testing.T, secure bool) netip.AddrPort {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != agent || r.Header.Get("Accept") == "" || r.Host != r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() {
			t.Errorf("asked by %q, host %q, header %v", r.UserAgent(), r.Host, r.Header)
		}
		if r.URL.RawQuery != "full=1" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/broken", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

// grpcServer serves the health of two services.
func grpcServer(t *testing.T) netip.AddrPort {
	l := listen(t)
	s, h := grpc.NewServer(), grpchealth.NewServer()
	h.SetServingStatus("shop.v1.Cart", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(s, h)
	go func() { _ = s.Serve(l) }() // ends with Stop
	t.Cleanup(s.Stop)
	return netip.MustParseAddrPort(l.Addr().String())
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// mute accepts connections by the kernel and never says a word.
func mute(t *testing.T) netip.AddrPort {
	return netip.MustParseAddrPort(listen(t).Addr().String())
}

// rude says text before it is asked, hears what it is asked and hangs up.
func rude(t *testing.T, text string) netip.AddrPort {
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write([]byte(text))
				_, _ = conn.Read(make([]byte, 1<<10))
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// closed is a port that nobody listens on.
func closed(t *testing.T) netip.AddrPort {
	l := listen(t)
	l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// Each case is a check of a server and what it comes to; "passed", or a part of
// the reason.
func TestProbe(t *testing.T) {
	web, tls, rpc := website(t, false), website(t, true), grpcServer(t)
	dead, silent, smtp := closed(t), mute(t), rude(t, "220 mail.example.com ESMTP\r\n")
	hasty, interim := rude(t, ""), rude(t, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
	endless := rude(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 5000))
	for _, c := range []struct {
		name string
		addr netip.AddrPort
		kind config.CheckKind
		path string
		want string
	}{
		{"tcp", web, config.CheckTCP, "", "passed"},
		{"tcp, says nothing", silent, config.CheckTCP, "", "passed"},
		{"tcp, nobody listens", dead, config.CheckTCP, "", "connection refused"},
		{"http", web, config.CheckHTTP, "/ok?full=1", "passed"},
		{"http, redirect", web, config.CheckHTTP, "/moved", "passed"},
		{"http, endless body", web, config.CheckHTTP, "/endless", "passed"},
		{"http, 400", web, config.CheckHTTP, "/ok", "GET /ok answers 400"},
		{"http, 503", web, config.CheckHTTP, "/broken", "GET /broken answers 503"},
		{"http, no answer", web, config.CheckHTTP, "/slow", "no answer within 200ms"},
		{"http, nobody listens", dead, config.CheckHTTP, "/", "connection refused"},
		{"http, says nothing", silent, config.CheckHTTP, "/", "no answer within 200ms"},
		{"http, no HTTP", smtp, config.CheckHTTP, "/", "malformed HTTP"},
		{"http, but it is https", tls, config.CheckHTTP, "/ok?full=1", "GET /ok?full=1 answers 400"},
		{"http, hangs up", hasty, config.CheckHTTP, "/", "no answer before the end of the connection"},
		{"http, interim answers first", interim, config.CheckHTTP, "/", "passed"},
		{"http, interim answers only", endless, config.CheckHTTP, "/", "no answer before the end of the connection"},
		{"https", tls, config.CheckHTTPS, "/ok?full=1", "passed"},
		{"https, 503", tls, config.CheckHTTPS, "/broken", "GET /broken answers 503"},
		{"https, but it is http", web, config.CheckHTTPS, "/ok?full=1", "does not look like a TLS handshake"},
		{"https, says nothing", silent, config.CheckHTTPS, "/", "no answer within 200ms"},
		{"grpc", rpc, config.CheckGRPC, "", "passed"},
		{"grpc, not serving", rpc, config.CheckGRPC, "shop.v1.Cart", "Health/Check answers NOT_SERVING"},
		{"grpc, no such service", rpc, config.CheckGRPC, "shop.v1.Till", "Health/Check answers NotFound"},
		{"grpc, nobody listens", dead, config.CheckGRPC, "", "connection refused"},
		{"grpc, says nothing", silent, config.CheckGRPC, "", "no answer within 200ms"},
		{"grpc, no gRPC", smtp, config.CheckGRPC, "", "Health/Check answers Unavailable"},
		{"unknown", web, "icmp", "", `there is no check called "icmp"`},
	} {
		timeout := patience
		if strings.HasPrefix(c.want, "no answer within") {
			timeout = haste
		}
		checker := New(nil)
		r := checker.ask(t.Context(), check.Target{Addr: c.addr, Check: config.HealthCheck{Kind: c.kind, Path: c.path, Timeout: timeout}})
		got := r.Why
		if got == "" {
			got = "passed"
		}
		if !strings.Contains(got, c.want) || r.Hung != (timeout == haste) {
			t.Errorf("%s: %q (hung %t), want %q", c.name, got, r.Hung, c.want)
		}
	}
}

// proxies in the environment are for others.
func TestProbeIgnoresProxies(t *testing.T) {
	dead := closed(t).String()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, "http://"+dead)
	}
	web, rpc := website(t, false), grpcServer(t)
	for _, target := range []check.Target{
		{Addr: web, Check: config.HealthCheck{Kind: config.CheckHTTP, Path: "/ok?full=1"}},
		{Addr: rpc, Check: config.HealthCheck{Kind: config.CheckGRPC}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := Probe(ctx, target); err != nil {
			t.Errorf("%s: %v", target.Check.Kind, err)
		}
		cancel()
	}
}
