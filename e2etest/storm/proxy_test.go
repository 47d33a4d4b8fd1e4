package storm

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// behind starts an HTTPS server with that handler and a proxy before it.
func behind(t *testing.T, h http.HandlerFunc) (*Proxy, *http.Client, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	p, err := NewProxy(Upstream{Server: server.URL, Roots: roots, Dial: (&net.Dialer{}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	mine := x509.NewCertPool()
	mine.AppendCertsFromPEM(p.CA)
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: mine, ServerName: serverName},
	}}
	t.Cleanup(client.CloseIdleConnections)
	return p, client, "https://" + l.Addr().String()
}

func TestProxyDelaysRequests(t *testing.T) {
	p, client, url := behind(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	})
	p.Inject(Faults{Least: 200 * ms, Most: 200 * ms})
	sent := time.Now()
	answer, err := client.Post(url+"/a/services/b/status?x=y", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || string(text) != "POST /a/services/b/status?x=y hello" || answer.StatusCode != http.StatusTeapot || answer.ProtoMajor != 2 {
		t.Errorf("%s %s %q, %v", answer.Proto, answer.Status, text, err)
	}
	if took := time.Since(sent); took < 200*ms {
		t.Errorf("took %v", took)
	}
	writes := p.WritesSince(sent)
	if len(writes) != 1 || writes[0].Done() || !writes[0].OfService() || writes[0].At.Sub(sent) < 100*ms {
		t.Errorf("writes: %+v", writes)
	}
}

func TestProxyHoldsWatchesBack(t *testing.T) {
	p, client, url := behind(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintln(w, i)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	p.Inject(Faults{Watch: 300 * ms})
	sent := time.Now()
	answer, err := client.Get(url + "/services?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
		}
		if i == 0 && time.Since(sent) < 300*ms {
			t.Errorf("the first line came after %v", time.Since(sent))
		}
	}
	if took := time.Since(sent); took > 600*ms {
		t.Errorf("three lines took %v: each is to be late by itself", took)
	}
	p.Cut()
	if lines.Scan() {
		t.Errorf("after the cut: %q", lines.Text())
	}
}

// TestWhatWasSentArrives: the client of a delayed request goes away.
func TestWhatWasSentArrives(t *testing.T) {
	arrived := make(chan string, 1)
	p, client, url := behind(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what came is what the test looks at
		arrived <- string(body)
	})
	p.Inject(Faults{Least: 400 * ms, Most: 400 * ms})
	ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, url, strings.NewReader("last words"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(req); err == nil {
		t.Fatal("the request was answered in spite of the delay")
	}
	select {
	case text := <-arrived:
		if text != "last words" {
			t.Errorf("arrived: %q", text)
		}
	case <-time.After(2 * time.Second):
		t.Error("did not arrive")
	}
}
