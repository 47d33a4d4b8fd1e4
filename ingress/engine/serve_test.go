package engine

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// echo tells what came of a request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
	switch r.URL.Path {
	case "/204":
		w.WriteHeader(204)
	case "/chunked":
		w.Header().Set("Trailer", "X-End")
		_, _ = fmt.Fprintf(w, "%s", body)
		w.(http.Flusher).Flush()
		w.Header().Set("X-End", "yes")
	default:
		_, _ = fmt.Fprintf(w, "%s %s %s %d\n%s", r.Method, r.RequestURI, r.Host, r.ContentLength, body)
	}
}

func TestServes(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	large := strings.Repeat("0123456789abcdef", 64<<10)
	for _, addr := range r.Addrs()[:2] {
		r.addr = addr
		c := client(t)
		for _, q := range []struct{ method, path, body, want string }{
			{"GET", "/a/../b//c?d=e", "", "GET /b/c?d=e " + addr + " 0\n"},
			{"GET", "/%41%2f%20?", "", "GET /A%2F%20? " + addr + " 0\n"},
			{"POST", "/p", "hello", "POST /p " + addr + " 5\nhello"},
			{"PUT", "/p", large, fmt.Sprintf("PUT /p %s %d\n%s", addr, len(large), large)},
			{"HEAD", "/", "", ""},
			{"GET", "/204", "", ""},
			{"DELETE", "/", "", "DELETE / " + addr + " 0\n"},
			{"POST", "/chunked", large, large},
		} {
			status, body := r.do(c, q.method, q.path, q.body)
			if want := map[bool]int{true: 204, false: 200}[q.path == "/204"]; status != want || body != q.want {
				t.Errorf("%s: %s %s: %d %.100q, want %d %.100q", addr, q.method, q.path, status, body, want, q.want)
			}
		}
	}
}

// TestTrailers: chunked both ways, with trailers both ways.
func TestTrailers(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	req, err := http.NewRequest("POST", "http://"+r.addr+"/chunked", io.MultiReader(strings.NewReader("a"), strings.NewReader("bc")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sum": {"7"}}
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if string(body) != "abc" || err != nil || res.Header.Get("X-Trailer") != "7" || res.Trailer.Get("X-End") != "yes" {
		t.Errorf("%q, %v, %v, trailers %v", body, err, res.Header, res.Trailer)
	}
}

// TestCurl: what curl makes of us, over either version and both families.
func TestCurl(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	for _, addr := range r.Addrs()[:2] {
		url := "http://" + addr + "/x"
		for _, args := range [][]string{{url}, {"-0", url}, {"--data", "hello", url}, {"-H", "Expect: 100-continue", "--data", "hello", url}, {"-H", "Transfer-Encoding: chunked", "--data", "hello", url, url}} {
			out, err := exec.Command("curl", append([]string{"-gsS", "--fail", "--max-time", "20", "--noproxy", "*"}, args...)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), " /x "+addr) || strings.Contains(strings.Join(args, " "), "hello") != strings.Contains(string(out), "\nhello") {
				t.Errorf("curl %v: %q, %v", args, out, err)
			}
		}
	}
}

// TestForwardedFields: what a backend is told of the client, and whose word is
// taken for it.
func TestForwardedFields(t *testing.T) {
	r := start(t, Options{}, "127.0.0.1:1")
	to := netip.MustParseAddrPort(origin(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-Ip", "Forwarded", "Proxy", "X-Request-Id"} {
			_, _ = fmt.Fprintf(w, "%s=%s;", name, strings.Join(r.Header[name], "+"))
		}
	}))
	const claims = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 1\r\nX-Real-Ip: 192.0.2.2\r\nForwarded: for=x\r\nProxy: p\r\n"
	for _, c := range []struct {
		name, fields, want string
		trusted            string
	}{
		{"a stranger", claims + "X-Request-Id: mine\r\n", "X-Forwarded-For=127.0.0.1;X-Forwarded-Proto=http;X-Forwarded-Host=shop.test;X-Forwarded-Port=80;X-Real-Ip=127.0.0.1;Forwarded=;Proxy=;X-Request-Id=mine;", "10.0.0.0/8"},
		{"a proxy of ours", claims + "X-Request-Id: mine\r\n", "X-Forwarded-For=192.0.2.1, 127.0.0.1;X-Forwarded-Proto=https;X-Forwarded-Host=h;X-Forwarded-Port=1;X-Real-Ip=192.0.2.2;Forwarded=for=x;Proxy=;X-Request-Id=mine;", "127.0.0.0/8"},
		{"a proxy of ours that adds a line", "X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.3\r\nX-Forwarded-For:\r\nX-Request-Id: mine\r\n", "X-Forwarded-For=203.0.113.1, 192.0.2.1, 192.0.2.3, 127.0.0.1;X-Forwarded-Proto=http;X-Forwarded-Host=shop.test;X-Forwarded-Port=80;X-Real-Ip=127.0.0.1;Forwarded=;Proxy=;X-Request-Id=mine;", "127.0.0.0/8"},
		{"a proxy of ours that says nothing", "X-Request-Id: mine\r\n", "X-Forwarded-For=127.0.0.1;X-Forwarded-Proto=http;X-Forwarded-Host=shop.test;X-Forwarded-Port=80;X-Real-Ip=127.0.0.1;Forwarded=;Proxy=;X-Request-Id=mine;", "127.0.0.0/8"},
	} {
		r.Apply(Config{Router: toAll{}, Pools: []Pool{{Endpoints: []netip.AddrPort{to}}}, Trusted: []netip.Prefix{netip.MustParsePrefix(c.trusted)}})
		conn := dial(t, r.addr)
		conn.say("GET / HTTP/1.1\r\nHost: shop.test\r\n" + c.fields + "\r\n")
		if _, body, _ := conn.hears("GET"); body != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, body, c.want)
		}
	}
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: shop.test\r\nX-Request-Id: two words\r\n\r\n")
	_, body, _ := conn.hears("GET")
	if _, id, _ := strings.Cut(body, "X-Request-Id="); len(id) != 33 {
		t.Errorf("made the request ID %q", id)
	}
}

// TestRefusals: the statuses of what no backend answers, with words, and whether
// the connection goes on.
func TestRefusals(t *testing.T) {
	r := start(t, Options{Header: time.Second, Client: time.Second, Response: time.Second}, origin(t, echo))
	silent := scripted(t).addr // accepts and closes
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, c := range []struct {
		name, say string
		status    int
		onward    bool
		endpoints []string
	}{
		{"no route", "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n", 404, true, nil},
		{"no route, with a body", "POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 2\r\n\r\nhi", 404, true, nil},
		{"no route, with half a body", "POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 2\r\n\r\nh", 404, false, nil},
		{"no endpoint", get, 503, true, []string{}},
		{"nobody listens", get, 502, true, []string{"127.0.0.1:1"}},
		{"the endpoint hangs up", get, 502, true, []string{silent}},
		{"the endpoint is silent", get, 504, true, []string{mute(t)}},
		{"the endpoint answers nonsense", get, 502, true, []string{scripted(t, "SSH-2.0\r\n").addr}},
		{"a large body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", 413, false, nil},
		{"a body that does not come", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", 408, false, nil},
		{"a head that does not come", "GET / HT", 408, false, nil},
		{"no HTTP", "\x16\x03\x01\r\n", 400, false, nil},
		{"a chunk that is none", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, false, nil},
		{"a long target", "GET /" + strings.Repeat("x", 20000), 414, false, nil},
		{"a long head", "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 10000)+"\r\n", 7), 431, false, nil},
		{"a path above the root", "GET /../x HTTP/1.1\r\nHost: x\r\n\r\n", 400, true, nil},
		{"CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 400, false, nil},
	} {
		if c.endpoints == nil {
			c.endpoints = []string{origin(t, echo)}
		}
		r.serve(c.endpoints...)
		conn := dial(t, r.addr)
		conn.say(c.say)
		status, body, res := conn.hears("GET")
		if status != c.status || !strings.HasPrefix(body, fmt.Sprint(c.status, " ")) || res.Close == c.onward {
			t.Errorf("%s: %d %q, closing: %t; want %d", c.name, status, body, res.Close, c.status)
		}
		if !c.onward {
			conn.isClosed()
		}
	}
}

// mute is an address whose connections are accepted by the kernel alone.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestStarting(t *testing.T) {
	r := start(t, Options{})
	r.state.Store(nil)
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	for range 2 {
		if status, body, _ := conn.hears("GET"); status != 503 || !strings.Contains(body, "starting") {
			t.Errorf("%d %q", status, body)
		}
	}
}

// TestPipelining: answers come in the order of their requests.
func TestPipelining(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	conn := dial(t, r.addr)
	var say strings.Builder
	for i := range 50 {
		body := strings.Repeat("x", i*10)
		_, _ = fmt.Fprintf(&say, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
	}
	conn.say(say.String() + "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: x\r\n\r\n")
	for i := range 50 {
		if _, body, _ := conn.hears("POST"); !strings.HasPrefix(body, fmt.Sprintf("POST /%d x %d\n", i, i*10)) {
			t.Fatalf("answer %d is %q", i, body)
		}
	}
	if _, body, res := conn.hears("GET"); !strings.HasPrefix(body, "GET /last ") || !res.Close {
		t.Errorf("the last answer is %q", body)
	}
	conn.isClosed()
}

func TestHTTP10(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	conn := dial(t, r.addr)
	conn.say("POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
	if _, body, res := conn.hears("POST"); body != "POST /a  2\nhi" || res.Header.Get("Connection") != "keep-alive" {
		t.Errorf("%q, %v", body, res.Header)
	}
	conn.say("POST /chunked HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
	if _, body, res := conn.hears("POST"); body != "hi" || res.TransferEncoding != nil || !res.Close {
		t.Errorf("%q, %v, %v", body, res.TransferEncoding, res.Header)
	}
	conn.isClosed()
}

// TestContinue: a client that waits for 100 Continue is told when the backend
// wants its body, and spared sending it otherwise.
func TestContinue(t *testing.T) {
	r := start(t, Options{Expect: time.Minute}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(403)
			return
		}
		echo(w, r)
	}))
	conn := dial(t, r.addr)
	conn.say("POST /yes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if status, _, _ := conn.hears("POST"); status != 100 {
		t.Fatalf("heard %d and not 100", status)
	}
	conn.say("hi")
	if status, body, res := conn.hears("POST"); status != 200 || body != "POST /yes x 2\nhi" || res.Close {
		t.Errorf("%d %q", status, body)
	}
	conn.say("POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if status, _, res := conn.hears("POST"); status != 403 || !res.Close {
		t.Errorf("heard %d, closing: %t", status, res.Close)
	}
	conn.isClosed()
}

// TestContinueBySilence: a backend that knows nothing of Expect gets the body
// after a while.
func TestContinueBySilence(t *testing.T) {
	r := start(t, Options{}, scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").addr)
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if status, _, _ := conn.hears("POST"); status != 100 {
		t.Fatalf("heard %d and not 100", status)
	}
	conn.say("hi")
	if status, body, _ := conn.hears("POST"); status != 200 || body != "ok" {
		t.Errorf("%d %q", status, body)
	}
}

// TestNoContinueAfterAnswer: a client that waits for 100 Continue and is answered at
// once hears of it no more, however long the answer takes.
func TestNoContinueAfterAnswer(t *testing.T) {
	r := start(t, Options{Expect: 50 * time.Millisecond}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		time.Sleep(500 * time.Millisecond) // until the time for 100 Continue is over
		_, _ = io.WriteString(w, "world")
	}))
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if status, body, res := conn.hears("POST"); status != 200 || body != "helloworld" || !res.Close {
		t.Errorf("%d %q, closing: %t", status, body, res.Close)
	}
	conn.isClosed()
}

func TestInterimAnswers(t *testing.T) {
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</x>")
		w.WriteHeader(103)
		w.WriteHeader(200)
	}))
	var hints []string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h.Get("Link")))
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+r.addr, nil)
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(hints) != 1 || hints[0] != "103</x>" || res.StatusCode != 200 {
		t.Errorf("%v, then %d", hints, res.StatusCode)
	}
}

// TestIdleMemory: an idle connection does not keep the memory of a large head.
func TestIdleMemory(t *testing.T) {
	const conns, head = 100, 56 << 10
	r := start(t, Options{}, origin(t, echo))
	ask := "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("y", head/4)+"\r\n", 4) + "\r\n"
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools give up what they hold at the second
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var before uint64
	for i := range conns + 1 {
		conn := dial(t, r.addr)
		conn.say(ask)
		if status, _, _ := conn.hears("GET"); status != 200 {
			t.Fatalf("heard %d", status)
		}
		if i == 0 {
			before = used()
		}
	}
	if each := (int64(used()) - int64(before)) / conns; each > head/2 {
		t.Errorf("%d bytes for each idle connection", each)
	}
}
