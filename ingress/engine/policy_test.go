package engine

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// byPolicy leads everything to the first pool, by the policy that the first label of
// the host names.
type byPolicy map[string]*policy.Policy

func (b byPolicy) Route(_, host, path string) (Decision, bool) {
	label, _, _ := strings.Cut(host, ".")
	return Decision{Policy: b[label], Decoded: path}, true
}

// policies are those of the tests.
func policies() byPolicy {
	out := byPolicy{}
	for label, p := range map[string]config.IngressPolicy{
		"none":   {},
		"https":  {HTTPS: config.HTTPSAlways, HSTS: "max-age=1"},
		"moved":  {Redirect: &config.Redirect{To: config.Template{{Text: "https://new.test/"}}, Code: 301}},
		"closed": {Closed: "x", Fields: []config.Field{{Name: "X-Ours", Value: "1"}}},
		"denied": {Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		"small":  {MaxBody: 10},
		"large":  {MaxBody: config.Unbounded},
		"fields": {Fields: []config.Field{{Name: "X-Ours", Value: "1"}, {Name: "X-Theirs", Value: "ours"}}},
		"cors":   {CORS: &config.CORS{Origins: []string{"*"}, Methods: "GET", Headers: "X"}},
		"host":   {Host: config.Template{{Text: "inside.test"}}, ForwardPrefix: "/shop", Rewrite: "/new?a=b"},
		"slow":   {Timeouts: config.IngressTimeouts{Read: 50 * time.Millisecond}},
	} {
		out[label] = policy.New(&p, "/", nil)
	}
	return out
}

// told is an origin that says what it was asked.
func told(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		time.Sleep(500 * time.Millisecond)
	}
	n, _ := io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Theirs", "theirs")
	fmt.Fprint(w, r.Host, " ", r.RequestURI, " ", r.Header.Get("X-Forwarded-Prefix"), " ", r.Header.Get("X-Forwarded-Host"), " ", n)
}

// TestPolicies: over HTTP/1.1 and HTTP/2, to endpoints that speak either.
func TestPolicies(t *testing.T) {
	r := start(t, Options{})
	clients := r.over2()
	one := client(t)
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	clients["http://"+r.Addrs()[1]] = one // by IPv6
	for _, protocol := range []Protocol{HTTP1, HTTP2} {
		cfg := Config{Router: policies(), Pools: []Pool{{Protocol: protocol}}, MaxBody: 1 << 10, TLS: r.state.Load().TLS}
		addr := origin(t, told)
		if protocol == HTTP2 {
			addr = origin2(t, told, nil)
		}
		cfg.Pools[0].Endpoints = []netip.AddrPort{netip.MustParseAddrPort(addr)}
		r.Apply(cfg)
		for base, c := range clients {
			obeys(t, fmt.Sprint(base, " to HTTP/", 1+protocol), base, c)
		}
	}
}

// obeys asks by one client. Each case is a request and its answer: status, fields that
// it has, and a part of its body.
func obeys(t *testing.T, name, base string, c *http.Client) {
	t.Helper()
	secure, six := strings.HasPrefix(base, "https"), strings.Contains(base, "[")
	for _, w := range []struct {
		ask, body string
		status    int
		fields    string
		says      string
	}{
		{"GET none.test/a?b", "", 200, "X-Theirs: theirs", "none.test /a?b  none.test 0"},
		{"GET moved.test/", "", 301, "Location: https://new.test/", "301 Moved Permanently: see https://new.test/"},
		{"HEAD moved.test/", "", 301, "Location: https://new.test/", ""},
		{"GET closed.test/", "", 503, "X-Ours: 1", "cannot be obeyed"},
		{"POST small.test/", "12345678901", 413, "", "larger than is allowed"},
		{"POST small.test/", "1234567890", 200, "", " 10"},
		{"POST none.test/", strings.Repeat("x", 1<<10+1), 413, "", "larger than is allowed"},
		{"POST large.test/", strings.Repeat("x", 1<<12), 200, "", " 4096"},
		{"GET fields.test/", "", 200, "X-Ours: 1, X-Theirs: ours", "fields.test"},
		{"OPTIONS cors.test/", "", 204, "Access-Control-Allow-Methods: GET", ""},
		{"GET cors.test/", "", 200, "Access-Control-Allow-Origin: *, X-Theirs: theirs", "cors.test"},
		{"GET host.test/x?y", "", 200, "", "inside.test /new?a=b&y /shop host.test 0"},
		{"GET slow.test/slow", "", 504, "", "did not answer in time"},
		{"GET none.test/slow", "", 200, "", "none.test"},
	} {
		if strings.Contains(w.ask, " moved.test") && !six {
			continue // clients of HTTP/2 would follow
		}
		res, body := askFor(t, c, base, w.ask, w.body)
		if res.StatusCode != w.status || !strings.Contains(body, w.says) || w.status == 204 && body != "" {
			t.Errorf("%s: %s: %d %q, want %d %q", name, w.ask, res.StatusCode, body, w.status, w.says)
		}
		for field := range strings.SplitSeq(w.fields, ", ") {
			if key, value, ok := strings.Cut(field, ": "); ok && strings.Join(res.Header[key], "+") != value {
				t.Errorf("%s: %s: field %s is %q", name, w.ask, field, res.Header[key])
			}
		}
	}
	want := map[bool]int{true: 403, false: 200}[!six]
	if res, _ := askFor(t, c, base, "GET denied.test/", ""); res.StatusCode != want {
		t.Errorf("%s: who is denied gets %d", name, res.StatusCode)
	}
	if secure {
		res, _ := askFor(t, c, base, "GET https.test/", "")
		if res.StatusCode != 200 || res.Header.Get("Strict-Transport-Security") != "max-age=1" {
			t.Errorf("%s: over TLS %d, %v", name, res.StatusCode, res.Header)
		}
	}
}

// askFor sends a request such as "GET a.test/x".
func askFor(t *testing.T, c *http.Client, base, ask, body string) (*http.Response, string) {
	t.Helper()
	method, rest, _ := strings.Cut(ask, " ")
	host, path, _ := strings.Cut(rest, "/")
	req, err := http.NewRequest(method, base+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", ask, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", ask, err)
	}
	return res, string(b)
}

// TestChunkedBodyByPolicy: a body whose length is not said is held against the bound of
// its route while it comes.
func TestChunkedBodyByPolicy(t *testing.T) {
	r := start(t, Options{})
	r.Apply(Config{Router: policies(), Pools: []Pool{{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(origin(t, told))}}}})
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.1\r\nHost: small.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	time.Sleep(10 * time.Millisecond) // so that it does not come with the head
	conn.say("b\r\n12345678901\r\n0\r\n\r\n")
	if status, body, _ := conn.hears("POST"); status != 413 {
		t.Errorf("%d %q", status, body)
	}
}

// TestTrustedPeer: of a proxy before us the client that it names counts, and what it
// says of TLS.
func TestTrustedPeer(t *testing.T) {
	r := start(t, Options{})
	cfg := Config{Router: policies(), Pools: []Pool{{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(origin(t, told))}}},
		Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	r.Apply(cfg)
	conn := dial(t, r.addr)
	for _, c := range []struct {
		host, fields string
		want         int
	}{
		{"denied.test", "X-Forwarded-For: 127.0.0.9, 192.0.2.1\r\n", 200},
		{"denied.test", "X-Forwarded-For: 192.0.2.1, 127.0.0.9\r\n", 403},
		{"denied.test", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 127.0.0.9\r\n", 403},
		{"denied.test", "X-Forwarded-For: nonsense\r\n", 403},
		{"https.test", "X-Forwarded-Proto: https\r\n", 200},
		{"https.test", "", 308},
	} {
		conn.say("GET / HTTP/1.1\r\nHost: " + c.host + "\r\n" + c.fields + "\r\n")
		if status, _, _ := conn.hears("GET"); status != c.want {
			t.Errorf("%s with %q: %d, want %d", c.host, c.fields, status, c.want)
		}
	}
}

// TestCanary: some requests go to another pool, as long as it has an endpoint.
func TestCanary(t *testing.T) {
	say := func(what string) Pool {
		addr := origin(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, what) })
		return Pool{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(addr)}}
	}
	r := start(t, Options{})
	router := leads{Decision{Canary: policy.New(&config.IngressPolicy{Canary: &config.Canary{Header: "X-New", Total: 100}}, "/", nil), CanaryPool: 1}}
	old, fresh := say("old"), say("new")
	conn := dial(t, r.addr)
	for _, c := range []struct {
		canary Pool
		field  string
		want   string
	}{{fresh, "X-New: always\r\n", "new"}, {fresh, "", "old"}, {Pool{}, "X-New: always\r\n", "old"}} {
		r.Apply(Config{Router: router, Pools: []Pool{old, c.canary}})
		conn.say("GET / HTTP/1.1\r\nHost: a.test\r\n" + c.field + "\r\n")
		if _, body, _ := conn.hears("GET"); body != c.want {
			t.Errorf("%q: %q, want %q", c.field, body, c.want)
		}
	}
}

// TestAffinity: a client comes back to its endpoint, or to the canary, by its cookie,
// which it gets anew when that endpoint is gone.
func TestAffinity(t *testing.T) {
	say := func(what string) netip.AddrPort {
		return netip.MustParseAddrPort(origin(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "theirs=1")
			fmt.Fprint(w, what)
		}))
	}
	r := start(t, Options{})
	sticky := policy.New(&config.IngressPolicy{Affinity: &config.Affinity{Cookie: "c", Attributes: "; Max-Age=5"}}, "/p", nil)
	canary := policy.New(&config.IngressPolicy{Canary: &config.Canary{Header: "X-New", Total: 100}}, "/p", nil)
	endpoints := []netip.AddrPort{say("a"), say("b"), say("c")}
	router := leads{Decision{Policy: sticky, Canary: canary, CanaryPool: 1}}
	cfg := Config{Router: router, Pools: []Pool{{Endpoints: endpoints, Secret: "s"}, {Endpoints: []netip.AddrPort{say("new")}, Secret: "s"}}}
	r.Apply(cfg)
	conn := dial(t, r.addr)
	ask := func(fields string) (body, cookie string) {
		conn.say("GET /p HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n")
		_, body, res := conn.hears("GET")
		set := res.Header["Set-Cookie"]
		if len(set) == 0 || set[0] != "theirs=1" {
			t.Errorf("the backend's cookie is lost: %q", set)
		}
		return body, strings.Join(set[1:], "+")
	}
	for name, fields := range map[string]string{"a pool": "", "the canary": "X-New: always\r\n"} {
		first, set := ask(fields)
		token, attributes, _ := strings.Cut(set, ";")
		if !strings.HasPrefix(token, "c=") || attributes != " Path=/p; HttpOnly; Max-Age=5" {
			t.Errorf("%s gives the cookie %q", name, set)
		}
		for range 5 {
			if body, set := ask("Cookie: x=y; " + token + "\r\n"); body != first || set != "" {
				t.Errorf("%s: %q after %q, with the cookie %q", name, body, first, set)
			}
		}
		if _, set := ask("Cookie: c=nonsense\r\n"); set == "" {
			t.Errorf("%s: a cookie that names nobody stays", name)
		}
	}
	first, set := ask("")
	token, _, _ := strings.Cut(set, ";")
	var rest []netip.AddrPort
	for i, name := range []string{"a", "b", "c"} {
		if name != first {
			rest = append(rest, endpoints[i])
		}
	}
	cfg.Pools = []Pool{{Endpoints: rest, Secret: "s"}, {}}
	r.Apply(cfg)
	if body, set := ask("Cookie: " + token + "\r\n"); body == first || set == "" {
		t.Errorf("the endpoint is gone, and %q answers with the cookie %q", body, set)
	}
}

// leads leads everything there.
type leads struct{ to Decision }

func (l leads) Route(_, _, _ string) (Decision, bool) { return l.to, true }
