package engine

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

// over2 are clients of HTTP/2: one with prior knowledge, one by ALPN.
func (r *rig) over2(endpoints ...string) map[string]*http.Client {
	r.t.Helper()
	_, ca := r.secured(endpoints...)
	known := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	secure := &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool()}}
	r.t.Cleanup(known.CloseIdleConnections)
	r.t.Cleanup(secure.CloseIdleConnections)
	return map[string]*http.Client{"http://" + r.Addrs()[0]: {Transport: known, Timeout: time.Minute}, "https://" + r.Addrs()[2]: {Transport: secure, Timeout: time.Minute}}
}

// fetch sends a request and reads the answer.
func fetch(t *testing.T, c *http.Client, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return exchanged(t, c, req)
}

// exchanged is fetch for a request that is made.
func exchanged(t *testing.T, c *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return res, string(b)
}

func TestHTTP2Serves(t *testing.T) {
	r := start(t, Options{})
	large := strings.Repeat("0123456789abcdef", 64<<10)
	for url, c := range r.over2(origin(t, echo)) {
		_, host, _ := strings.Cut(url, "//")
		for _, q := range []struct {
			method, path, want string
			body               io.Reader
			status             int
		}{
			{"GET", "/a/../b//c?d=e", "GET /b/c?d=e " + host + " 0\n", nil, 200},
			{"POST", "/p", "POST /p " + host + " 5\nhello", strings.NewReader("hello"), 200},
			{"PUT", "/p", fmt.Sprintf("PUT /p %s %d\n%s", host, len(large), large), strings.NewReader(large), 200},
			{"POST", "/p", "POST /p " + host + " -1\n" + large, io.MultiReader(strings.NewReader(large)), 200},
			{"HEAD", "/", "", nil, 200},
			{"GET", "/204", "", nil, 204},
			{"POST", "/chunked", large, strings.NewReader(large), 200},
			{"GET", "/../x", "400 Bad Request: the path climbs above the root by dot segments\n", nil, 400},
			{"POST", "/p", "413 Content Too Large: the body of the request is larger than is allowed here\n", io.LimitReader(zeros{}, 9<<20), 413},
		} {
			res, body := fetch(t, c, q.method, url+q.path, q.body)
			if res.StatusCode != q.status || body != q.want || res.ProtoMajor != 2 {
				t.Errorf("%s %s%s: %d %.100q, want %d %.100q", q.method, url, q.path, res.StatusCode, body, q.status, q.want)
			}
			if q.method == "HEAD" && res.ContentLength <= 0 {
				t.Errorf("HEAD: length %d", res.ContentLength)
			}
		}
	}
}

// TestHTTP2Trailers: trailers both ways, over a backend of HTTP/1.1.
func TestHTTP2Trailers(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2(origin(t, echo)) {
		req, err := http.NewRequest("POST", url+"/chunked", io.MultiReader(strings.NewReader("a"), strings.NewReader("bc")))
		if err != nil {
			t.Fatal(err)
		}
		req.Trailer = http.Header{"X-Sum": {"7"}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != "abc" || err != nil || res.Header.Get("X-Trailer") != "7" || res.Trailer.Get("X-End") != "yes" {
			t.Errorf("%q, %v, %v, trailers %v", body, err, res.Header, res.Trailer)
		}
	}
}

// TestHTTP2AtOnce: many streams of one connection at once, with bodies of their
// own both ways.
func TestHTTP2AtOnce(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2(origin(t, echo)) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				body := strings.Repeat(fmt.Sprint(i, "."), i*100)
				res, err := c.Post(url+"/chunked", "", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if b, err := io.ReadAll(res.Body); string(b) != body || err != nil {
					t.Errorf("%d: %d of %d bytes came back, %v", i, len(b), len(body), err)
				}
			})
		}
		all.Wait()
	}
}

// TestHTTP2Interim: 100 Continue and other interim answers.
func TestHTTP2Interim(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2(origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</x>")
		w.WriteHeader(103)
		echo(w, r)
	})) {
		var heard []string
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			heard = append(heard, fmt.Sprint(code, h.Get("Link")))
			return nil
		}})
		req, err := http.NewRequestWithContext(ctx, "POST", url+"/chunked", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Expect", "100-continue")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(b) != "hello" || err != nil || !strings.Contains(fmt.Sprint(heard), "103</x>") {
			t.Errorf("%q, %v, after %q", b, err, heard)
		}
	}
}

// TestHTTP2BackPressure: of an answer that is not read no more than the windows
// and buffers hold is taken from the backend, and other streams go on meanwhile.
func TestHTTP2BackPressure(t *testing.T) {
	r := start(t, Options{})
	sent := make(chan int, 1)
	for url, c := range r.over2(origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/large" {
			echo(w, r)
			return
		}
		n := 0
		for piece := make([]byte, 64<<10); n < 256<<20; {
			k, err := w.Write(piece)
			if n += k; err != nil {
				break
			}
		}
		sent <- n
	})) {
		res, err := c.Get(url + "/large")
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, body := fetch(t, c, "POST", url+"/chunked", strings.NewReader("hello")); body != "hello" {
				t.Errorf("%q", body)
			}
		}
		_ = res.Body.Close()
		if n := <-sent; n >= 256<<20 {
			t.Errorf("all of %d bytes went to a client that read none", n)
		}
	}
}

// TestHTTP2Broken: an answer that breaks off is no whole one.
func TestHTTP2Broken(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2(scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").addr) {
		res, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%q is taken for all", b)
		}
		_ = res.Body.Close()
	}
}

// TestHTTP2Unreachable: an endpoint that takes no connection.
func TestHTTP2Unreachable(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2("127.0.0.1:1") {
		if res, body := fetch(t, c, "GET", url, nil); body != "502 Bad Gateway: the backend cannot be reached\n" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
}

// TestHTTP2Forwarded: what the backend hears of a client.
func TestHTTP2Forwarded(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2(origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"), " ", r.Header.Get("X-Forwarded-For"), " ", r.Header["Proxy"], r.Header["X-Other"], r.Header.Get("Cookie"))
	})) {
		req, _ := http.NewRequest("GET", url, nil)
		req.Header.Set("X-Forwarded-For", "192.0.2.1")
		req.Header.Set("Proxy", "p")
		req.Header.Set("X-Other", "o")
		req.Header.Set("Cookie", "a=b; c=d")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		proto, _, _ := strings.Cut(url, ":")
		if want := proto + " 127.0.0.1 [] [o]a=b; c=d"; string(b) != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
}

// TestCurlHTTP2: what curl makes of it, by ALPN and by prior knowledge.
func TestCurlHTTP2(t *testing.T) {
	r := start(t, Options{})
	addr, _ := r.secured(origin(t, echo))
	for _, args := range [][]string{
		{"--http2", "https://" + addr + "/x"}, {"--http2-prior-knowledge", "http://" + r.addr + "/x"},
		{"--http2-prior-knowledge", "http://" + r.Addrs()[1] + "/x"},
	} {
		out, err := exec.Command("curl", append([]string{"-gksS", "--fail", "--max-time", "20", "--noproxy", "*", "--data", "hello", "-w", " over %{http_version}"}, args...)...).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), " 5\nhello over 2") {
			t.Errorf("curl %v: %q, %v", args, out, err)
		}
	}
}

// TestExtendedConnect: a WebSocket over a stream (RFC 8441) reaches a backend that
// knows only HTTP/1.1, and bytes go both ways until both sides ended.
func TestExtendedConnect(t *testing.T) {
	r := start(t, Options{})
	for url, c := range r.over2(webSocket(t)) {
		out, in := io.Pipe()
		res := connect(t, c, url+"/chat", "websocket", out)
		if res.StatusCode != 200 || res.Header.Get("Sec-Websocket-Protocol") != "chat" || res.Header.Get("Sec-Websocket-Accept") != "" {
			t.Fatalf("%d, %v", res.StatusCode, res.Header)
		}
		for _, word := range []string{"hello", strings.Repeat("world", 50000)} {
			go func() { _, _ = io.WriteString(in, word) }()
			b := make([]byte, len(word))
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != word {
				t.Fatalf("%.20q, %v", b, err)
			}
		}
		_ = in.Close()
		if b, err := io.ReadAll(res.Body); string(b) != "bye" || err != nil {
			t.Errorf("at the end: %q, %v", b, err)
		}
		for path, want := range map[string]int{"/refuses": 403, "/lies": 502, "/wrong": 502} {
			if res := connect(t, c, url+path, "websocket", http.NoBody); res.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
			}
		}
		if res := connect(t, c, url+"/chat", "connect-udp", http.NoBody); res.StatusCode != 501 {
			t.Errorf("another protocol: %d", res.StatusCode)
		}
	}
}

func connect(t *testing.T, c *http.Client, url, protocol string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequest("CONNECT", url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header[":protocol"] = []string{protocol}
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Protocol", "chat")
	res, err := c.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// webSocket is a backend that echoes what comes after its 101, and says bye.
func webSocket(t *testing.T) string {
	return origin(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		accept := base64.StdEncoding.EncodeToString(sum[:])
		switch {
		case r.Method != "GET" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("Sec-WebSocket-Version") != "13":
			w.WriteHeader(500)
			return
		case r.URL.Path == "/refuses":
			w.WriteHeader(403)
			return
		case r.URL.Path == "/lies":
			return
		case r.URL.Path == "/wrong":
			accept = "x"
		}
		conn, in, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", accept, r.Header.Get("Sec-WebSocket-Protocol"))
		_, _ = io.Copy(conn, in)
		_, _ = io.WriteString(conn, "bye")
	})
}

// TestHTTP2Leaving: at the end a client is asked to open no more streams, what it
// asked before it heard of that is answered, and no request is lost.
func TestHTTP2Leaving(t *testing.T) {
	r := start(t, Options{Drain: 300 * time.Millisecond})
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	clients := r.over2(origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- struct{}{}
			<-finish
		}
		echo(w, r)
	}))
	var all sync.WaitGroup
	stopped := make(chan struct{})
	var served atomic.Int64
	for url, c := range clients {
		all.Go(func() {
			if res, body, err := get(c, url+"/slow"); err != nil || res.StatusCode != 200 || !strings.HasPrefix(body, "GET /slow ") {
				t.Errorf("what was under way: %q, %v", body, err)
			}
		})
		for range 4 {
			all.Go(func() {
				for {
					switch _, _, err := get(c, url+"/"); {
					case err == nil:
						served.Add(1)
					case errors.Is(err, unix.ECONNREFUSED) || strings.Contains(err.Error(), "i/o timeout"): // nobody is taken any more
						return
					default:
						t.Errorf("after %d requests: %v", served.Load(), err)
						return
					}
					select {
					case <-stopped:
						return
					default:
					}
				}
			})
		}
	}
	<-begun
	<-begun
	for served.Load() < 100 {
		time.Sleep(time.Millisecond)
	}
	r.stop()
	for !r.finishing.Load() {
		time.Sleep(time.Millisecond)
	}
	close(stopped)
	close(finish)
	all.Wait()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

func get(c *http.Client, url string) (*http.Response, string, error) {
	res, err := c.Get(url)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// TestHTTP2Gone: when a client resets a stream, or its connection ends, the
// backend's ends too, and nothing is left.
func TestHTTP2Gone(t *testing.T) {
	r := start(t, Options{})
	ended := make(chan struct{}, 1)
	for url, c := range r.over2(origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	})) {
		for _, how := range []string{"stream", "connection"} {
			ctx, cancel := context.WithCancel(context.Background())
			req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if how == "connection" {
				r.each((*conn).cut)
				r.inLoops(func(w *worker) {
					for d := range w.clients {
						d.reset()
					}
				})
			}
			_, _ = io.ReadAll(io.LimitReader(res.Body, 5))
			cancel()
			_ = res.Body.Close()
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Fatalf("the backend does not hear that the %s ended", how)
			}
		}
	}
	r.settled(false)
}

// TestHTTP2Idle: a connection without streams ends, in order, after a while; one
// with a stream does not.
func TestHTTP2Idle(t *testing.T) {
	r := start(t, Options{Idle: 200 * time.Millisecond})
	finish := make(chan struct{})
	for url, c := range r.over2(origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-finish
		}
		echo(w, r)
	})) {
		if _, _, err := get(c, url+"/"); err != nil {
			t.Fatal(err)
		}
		for n, of := r.served(); n+of > 0; n, of = r.served() {
			time.Sleep(time.Millisecond)
		}
		answer := make(chan error)
		go func() {
			_, _, err := get(c, url+"/slow")
			answer <- err
		}()
		time.Sleep(time.Second) // five times the patience with idle ones
		finish <- struct{}{}
		if err := <-answer; err != nil {
			t.Error(err)
		}
	}
}

// TestListening: a client that leaves its side of a stream open, and is silent for
// longer than it may be with a body alone, goes on hearing what the backend says.
func TestListening(t *testing.T) {
	r := start(t, Options{Client: 2 * time.Second})
	clients := r.over2()
	r.lead(Pool{Protocol: HTTP2}, origin2(t, func(w http.ResponseWriter, r *http.Request) {
		for range 30 {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
		last, _ := io.ReadAll(r.Body)
		_, _ = w.Write(last)
	}, nil))
	for url, c := range clients {
		out, in := io.Pipe()
		res, err := c.Post(url, "", out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, 30)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(in, "last")
		_ = in.Close()
		if b, err := io.ReadAll(res.Body); string(b) != "last" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		_ = res.Body.Close()
	}
}
