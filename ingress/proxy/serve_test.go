package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// echo answers with what a backend sees of a request.
func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.Write(w)
}

// oddURI must reach a backend as it is.
const oddURI = "/x%2Fy//z/?q=%zz;a=1&b"

func TestPassesRequestsThrough(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, echo)}})
	for _, c := range []struct {
		name, scheme string
		listener     int
		proto        int
		peer, port   string
	}{
		{"http v4", "http", 0, 1, "127.0.0.1", "80"},
		{"http v6", "http", 1, 1, "::1", "80"},
		{"https h1 v4", "https", 0, 1, "127.0.0.1", "443"},
		{"https h2 v4", "https", 0, 2, "127.0.0.1", "443"},
		{"https h2 v6", "https", 1, 2, "::1", "443"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, seen := forge(t, r.client(c.listener, c.proto == 2), c.scheme+"://a.test"+oddURI)
			for _, want := range []string{
				"GET " + oddURI + " a.test\n", "X-Forwarded-For: " + c.peer + "\r\n", "X-Real-Ip: " + c.peer + "\r\n",
				"X-Forwarded-Proto: " + c.scheme + "\r\n", "X-Forwarded-Host: a.test\r\n", "X-Forwarded-Port: " + c.port + "\r\n",
				"X-Request-Id: abc-1\r\n", "User-Agent: tester\r\n",
			} {
				if !strings.Contains(seen, want) {
					t.Errorf("the backend does not see %q in\n%s", want, seen)
				}
			}
			for _, bad := range []string{"6.6.6.6", "gopher", "evil"} {
				if strings.Contains(seen, bad) {
					t.Errorf("the backend sees the forged %q", bad)
				}
			}
			if res.ProtoMajor != c.proto {
				t.Errorf("HTTP/%d, want HTTP/%d", res.ProtoMajor, c.proto)
			}
			if res.Header.Get("Server") == "" || res.Header.Get("Date") == "" || res.Header.Get("Content-Type") == "" {
				t.Errorf("headers are missing in %v", res.Header)
			}
		})
	}
}

// forge sends a request that lies about where it comes from, and returns what
// the backend saw of it.
func forge(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"gopher"}, "Forwarded": {"for=6.6.6.6"},
		"X-Real-Ip": {"6.6.6.6"}, "Proxy": {"evil"}, "X-Request-Id": {"abc-1"}, "User-Agent": {"tester"},
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestCertificateFollowsServerName(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {named(t, "A")}, "b.test/": {named(t, "B")}})
	for host, want := range map[string]string{"a.test": "A", "b.test": "B"} {
		if code, body := do(t, r.client(0, true), http.MethodGet, "https://"+host+"/", nil); code != 200 || body != want {
			t.Errorf("%s: %d %q", host, code, body)
		}
	}
	if _, err := r.client(0, true).Get("https://c.test/"); err == nil {
		t.Error("a server name without a certificate completed a handshake")
	}
}

func TestAnswersOfOurOwn(t *testing.T) {
	r := start(t, func(o *Options) { o.Response = 100 * time.Millisecond })
	if code, body := r.get("http://a.test/"); code != 503 || !strings.Contains(body, "starting") {
		t.Errorf("before the first table: %d %q", code, body)
	}
	quit := make(chan struct{})
	defer close(quit)
	slow := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-quit:
		case <-r.Context().Done():
		}
	})
	broken := backend(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	garbage := garbageServer(t)
	r.serve(map[string][]string{
		"a.test/ok": {named(t, "fine")}, "a.test/ok/gone": {"-"}, "a.test/idle": {}, "a.test/dead": {dead(t), dead(t)},
		"a.test/slow": {slow}, "a.test/broken": {broken}, "a.test/garbage": {garbage},
	})
	for path, want := range map[string]string{
		"/ok":        "200",
		"/no":        "404 Not Found: no Ingress has a rule",
		"/ok/gone/x": "503 Service Unavailable: the backend of this route is not set up",
		"/idle":      "503 Service Unavailable: the backend of this route has no ready endpoint",
		"/dead":      "502 Bad Gateway: the backend cannot be reached",
		"/slow":      "504 Gateway Timeout: the backend did not answer in time",
		"/broken":    "502 Bad Gateway: the backend broke off",
		"/garbage":   "502 Bad Gateway: the backend broke off or gave no valid answer",
	} {
		code, body := r.get("http://a.test" + path)
		if got := fmt.Sprintf("%d", code); !strings.HasPrefix(want, got) || code != 200 && !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %q, want %s", path, code, body, want)
		}
	}
	for class, n := range map[string]float64{"2xx": 1, "4xx": 1, "5xx": 7} {
		if got := r.metric("requests_total", class); got != n {
			t.Errorf("%v requests of class %s counted, want %v", got, class, n)
		}
	}
	if text := r.log.String(); !strings.Contains(text, "code=502") || !strings.Contains(text, "ingress=default/ing svc=default/svc-a.test-dead addr=127.0.0.1:") ||
		!strings.Contains(text, "attempts=2") || strings.Count(text, "\n") != 9 {
		t.Errorf("access log:\n%s", text)
	}
}

func garbageServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("\x00\x01 what?\r\n\r\n"))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestConnectTimeoutIs504(t *testing.T) {
	r := start(t, func(o *Options) { o.Connect = time.Nanosecond })
	r.serve(map[string][]string{"a.test/": {named(t, "x")}})
	if code, body := r.get("http://a.test/"); code != 504 || !strings.Contains(body, "accept connections in time") {
		t.Errorf("%d %q", code, body)
	}
}

// raw sends bytes and returns the status line of the answer.
func (r *rig) raw(request string) string {
	r.t.Helper()
	plain, _ := r.Addrs()
	c, err := net.Dial("tcp", plain[0])
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte(request)); err != nil {
		r.t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		r.t.Fatalf("%q: %v", request, err)
	}
	return strings.TrimSpace(line)
}

func TestAmbiguousRequests(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {named(t, "root")}, "a.test/admin": {"-"}})
	for target, want := range map[string]string{
		"/":                  "200",
		"/x/../admin":        "503", // the admin's route, by any spelling
		"//admin":            "503",
		"/%61dmin":           "503",
		"http://a.test/":     "200",
		"http://a.test":      "200",
		"/..":                "400",
		"/x/%2e%2e/admin":    "400",
		"/x/..%2fadmin":      "400",
		"/x/..;/admin":       "400",
		`/x\..\admin`:        "400",
		"/a%00":              "400",
		"/a%zz":              "400",
		"http:admin":         "400",
		"/a%2Fb^c/../admin":  "503",
		"http://u:p@a.test/": "200",
	} {
		if got := r.raw("GET " + target + " HTTP/1.1\r\nHost: a.test\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if got := r.raw("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"); !strings.Contains(got, "400") {
		t.Errorf("CONNECT: %s", got)
	}
	if got := r.raw("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked, x\r\n\r\n"); !strings.Contains(got, " 501 ") && !strings.Contains(got, " 400 ") {
		t.Errorf("smuggling: %s", got)
	}
}

func TestRequestIDs(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Request-Id")) })}})
	_, one := r.get("http://a.test/")
	_, two := r.get("http://a.test/")
	if len(one) != 32 || len(two) != 32 || one == two {
		t.Errorf("made IDs %q and %q", one, two)
	}
	req, _ := http.NewRequest(http.MethodGet, "http://a.test/", nil)
	req.Header.Set("X-Request-Id", strings.Repeat("x", 200))
	res, err := r.client(0, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); len(text) != 32 {
		t.Errorf("an oversized ID was kept: %q", text)
	}
}
