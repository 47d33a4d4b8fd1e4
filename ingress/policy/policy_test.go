package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// asking is a request for a URL, with fields such as "Origin: https://x.test".
func asking(t *testing.T, method, url string, fields ...string) *Ask {
	t.Helper()
	scheme, rest, _ := strings.Cut(url, "://")
	i := strings.IndexByte(rest, '/')
	server := http.NewServer(http.DefaultLimits())
	r := &http.Request{}
	head := method + " " + rest[i:] + " HTTP/1.1\r\nHost: " + rest[:i] + "\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
	if _, err := server.Next([]byte(head), r); err != nil {
		t.Fatal(err)
	}
	target, err := http.CleanPath(nil, r.Path)
	if err != nil {
		t.Fatal(err)
	}
	return &Ask{Request: r, Client: netip.MustParseAddr("192.0.2.1"), Secure: scheme == "https", Target: target, Decoded: string(target)}
}

func template(t *testing.T, text string) config.Template {
	t.Helper()
	out, err := config.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Each case is a policy, a request and the answer in place of the backend's: status
// and Location.
func TestJudge(t *testing.T) {
	type policy = config.IngressPolicy
	all, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
	to := func(text string, code int) *config.Redirect {
		return &config.Redirect{To: template(t, text), Code: code}
	}
	for i, c := range []struct {
		p        policy
		ask      string
		certs    bool
		want     string
		decoded  string
		anotherC string // client
	}{
		{p: policy{}, ask: "GET http://a.test/", want: ""},
		{p: policy{Closed: "x"}, ask: "GET http://a.test/", want: "503 "},
		{p: policy{HTTPS: config.HTTPSAlways}, ask: "GET http://A.test:8080/x/../y?z", want: "308 https://A.test/x/../y?z"},
		{p: policy{HTTPS: config.HTTPSAlways}, ask: "GET http://[2001:db8::1]:8080/", want: "308 https://[2001:db8::1]/"},
		{p: policy{HTTPS: config.HTTPSAlways}, ask: "GET http://[2001:db8::1]/", want: "308 https://[2001:db8::1]/"},
		{p: policy{HTTPS: config.HTTPSAlways}, ask: "GET https://a.test/", want: ""},
		{p: policy{HTTPS: config.HTTPSAlways}, ask: "GET http://a.test/.well-known/acme-challenge/t", want: ""},
		{p: policy{HTTPS: config.HTTPSIfTLS}, ask: "GET http://a.test/", want: ""},
		{p: policy{HTTPS: config.HTTPSIfTLS}, ask: "GET http://a.test/", certs: true, want: "308 https://a.test/"},
		{p: policy{Redirect: to("https://b.test$request_uri", 301)}, ask: "GET http://a.test/x?y", want: "301 https://b.test/x?y"},
		{p: policy{Redirect: to("$scheme://b.$host/$request_method${is_args}$args", 302)}, ask: "GET http://a.test:81/x?y", want: "302 http://b.a.test/GET?y"},
		{p: policy{Redirect: to("/r/$remote_addr$uri", 302), HTTPS: config.HTTPSAlways}, ask: "GET http://a.test/x", want: "302 /r/192.0.2.1/x"},
		{p: policy{AppRoot: "/app"}, ask: "GET http://a.test/", want: "302 /app"},
		{p: policy{AppRoot: "/app"}, ask: "GET http://a.test/app", want: ""},
		{p: policy{Allow: []netip.Prefix{all}}, ask: "GET http://a.test/", want: ""},
		{p: policy{Allow: []netip.Prefix{other}}, ask: "GET http://a.test/", want: "403 "},
		{p: policy{Allow: []netip.Prefix{all}}, ask: "GET http://a.test/", anotherC: "::ffff:192.0.2.9", want: ""},
		{p: policy{Allow: []netip.Prefix{all}}, ask: "GET http://a.test/", anotherC: "2001:db8::1", want: "403 "},
		{p: policy{Allow: []netip.Prefix{all}, Deny: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, ask: "GET http://a.test/", want: "403 "},
		{p: policy{Deny: []netip.Prefix{other}}, ask: "GET http://a.test/", want: ""},
	} {
		method, url, _ := strings.Cut(c.ask, " ")
		ask := asking(t, method, url)
		ask.Certified = c.certs
		if c.anotherC != "" {
			ask.Client = netip.MustParseAddr(c.anotherC)
		}
		if got := said(New(&c.p, "/", nil).Judge(ask)); got != c.want {
			t.Errorf("case %d, %s: %q, want %q", i, c.ask, got, c.want)
		}
	}
	if got := said(ToHost("b.test").Judge(asking(t, "GET", "https://a.test/x?y"))); got != "308 https://b.test/x?y" {
		t.Errorf("to a host: %q", got)
	}
}

func said(a *Answer) string {
	if a == nil {
		return ""
	}
	s := fmt.Sprint(a.Status, " ")
	for _, f := range a.Fields {
		s += string(f.Value)
	}
	return s
}

// Each case is the path of a rule, its rewrite, what is asked for, and what of the
// backend.
func TestRewrite(t *testing.T) {
	for _, c := range []struct{ path, rewrite, ask, want string }{
		{"/v1(/|$)(.*)", "/$2", "/v1/users", "/users"},
		{"/v1(/|$)(.*)", "/$2", "/v1", "/"},
		{"/v1(/|$)(.*)", "/$2", "/v1/users?q=1", "/users?q=1"},
		{"/x", "/", "/x/y", "/"},
		{"/(.*)", "/a/$1/b", "/x%20y", "/a/x%20y/b"},
		{"/(.*)", "/$1", "/a%2Fb%25", "/a%2Fb%25"},
		{"/(.*)", "/$1", "/a%3Fb%23", "/a%3Fb%23"},
		{"/(.*)", "/$3", "/a", "/"},
		{"/(.*)", "$1", "/a", "/a"},
		{"/f/(.*)", "/i.php?q=$1", "/f/a&b=c", "/i.php?q=a%26b%3Dc"},
		{"/f/(.*)", "/i.php?q=$1", "/f/x?y=z", "/i.php?q=x&y=z"},
		{"/a(b)?", "/$1x", "/a", "/x"},
		{"/a/(.*)", "/b/$1", "/A/x", "/b/"}, // the rule did not match so
		{"/(", "/$1", "/(", "/"},
	} {
		p := New(&config.IngressPolicy{Rewrite: c.rewrite}, c.path, nil)
		ask := asking(t, "GET", "http://a.test"+c.ask)
		ask.Decoded = strings.NewReplacer("%20", " ", "%3F", "?", "%23", "#").Replace(ask.Decoded)
		target, err := p.Prepare(ask)
		got := string(target)
		if ask.HasQuery {
			got += "?" + string(ask.Query)
		}
		if err != nil || got != c.want {
			t.Errorf("%s to %s, %s: %q %v, want %q", c.path, c.rewrite, c.ask, got, err, c.want)
		}
	}
	p := New(&config.IngressPolicy{Rewrite: "/b/$1", Nginx: true}, "/a/(.*)", nil)
	if target, _ := p.Prepare(asking(t, "GET", "http://a.test/A/x")); string(target) != "/b/x" {
		t.Errorf("in upper case as nginx: %s", target)
	}
}

func TestHost(t *testing.T) {
	ask := asking(t, "GET", "http://a.test/")
	if _, err := New(&config.IngressPolicy{Host: template(t, "in.$host")}, "/", nil).Prepare(ask); err != nil || string(ask.Asked()) != "in.a.test" {
		t.Errorf("asked for %s, %v", ask.Asked(), err)
	}
}

// Each case is the origin of a page, and which origins are allowed.
func TestCORS(t *testing.T) {
	for _, c := range []struct{ origins, origin, want string }{
		{"*", "", "Access-Control-Allow-Origin: *, Access-Control-Allow-Credentials: true, Access-Control-Allow-Methods: GET, Access-Control-Allow-Headers: X, Access-Control-Max-Age: 5"},
		{"https://a.test", "https://A.test", "Vary: Origin, Access-Control-Allow-Origin: https://A.test, "},
		{"https://a.test", "https://b.test", "Vary: Origin"},
		{"https://a.test", "", "Vary: Origin"},
		{"https://*.a.test", "https://x.a.test", "Vary: Origin, Access-Control-Allow-Origin: https://x.a.test, "},
		{"https://*.a.test", "https://x.y.a.test", "Vary: Origin"},
		{"https://*.a.test", "https://.a.test", "Vary: Origin"},
		{"https://*.a.test", "https://evil.test/.a.test", "Vary: Origin"},
		{"https://*.a.test:8443", "https://x.a.test:8443", "Vary: Origin, Access-Control-Allow-Origin: https://x.a.test:8443, "},
	} {
		p := New(&config.IngressPolicy{CORS: &config.CORS{Origins: []string{c.origins}, Methods: "GET", Headers: "X", Credentials: true, MaxAge: 5}}, "/", nil)
		var fields []string
		if c.origin != "" {
			fields = []string{"Origin: " + c.origin}
		}
		ask := asking(t, "OPTIONS", "http://a.test/", fields...)
		got := texts(p.Fields(ask))
		allowed := strings.Contains(c.want, "Allow-Origin")
		if !strings.HasPrefix(got, c.want) || !allowed && got != c.want {
			t.Errorf("%q for %s: %s, want %s", c.origin, c.origins, got, c.want)
		}
		if answer := p.Judge(ask); (answer != nil) != allowed {
			t.Errorf("%q for %s: the preflight is answered %v", c.origin, c.origins, answer)
		}
		if answer := p.Judge(asking(t, "GET", "http://a.test/", fields...)); answer != nil {
			t.Errorf("GET is answered %v", answer)
		}
	}
}

func texts(fields []http.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(out, ", ")
}

// HSTS is said over TLS alone, and fields take the place of the backend's.
func TestFields(t *testing.T) {
	p := New(&config.IngressPolicy{HSTS: "max-age=1", Fields: []config.Field{{Name: "X-A", Value: "ours"}}}, "/", nil)
	if got := texts(p.Fields(asking(t, "GET", "http://a.test/"))); got != "X-A: ours" {
		t.Errorf("without TLS %s", got)
	}
	fields := p.Fields(asking(t, "GET", "https://a.test/"))
	res := &http.Response{}
	for _, f := range [][2]string{{"x-a", "theirs"}, {"X-B", "theirs"}, {"X-A", "again"}} {
		res.Fields = append(res.Fields, field(f[0], f[1]))
	}
	if Dress(res, append(fields, vary)); texts(res.Fields) != "X-B: theirs, X-A: ours, Strict-Transport-Security: max-age=1, Vary: Origin" {
		t.Errorf("dressed: %s", texts(res.Fields))
	}
	if New(nil, "/", nil) != nil || New(nil, "/", nil).Source() != nil {
		t.Error("a policy out of nothing")
	}
}

// Each case is a canary, a request, and what it takes of four chances.
func TestTakes(t *testing.T) {
	quarters := []uint64{0, 1 << 62, 2 << 62, 3 << 62}
	for _, c := range []struct {
		canary config.Canary
		field  string
		want   int
	}{
		{config.Canary{Total: 100}, "", 0},
		{config.Canary{Weight: 100, Total: 100}, "", 4},
		{config.Canary{Weight: 2, Total: 4}, "", 2},
		{config.Canary{Total: 100, Header: "X-C"}, "x-c: always", 4},
		{config.Canary{Weight: 100, Total: 100, Header: "X-C"}, "X-C: never", 0},
		{config.Canary{Weight: 2, Total: 4, Header: "X-C"}, "X-C: other", 2},
		{config.Canary{Total: 100, Header: "X-C", Value: "yes"}, "X-C: yes", 4},
		{config.Canary{Total: 100, Header: "X-C", Value: "yes"}, "X-C: always", 0},
		{config.Canary{Weight: 100, Total: 100, Header: "X-C", Value: "yes"}, "X-C: never", 4},
		{config.Canary{Total: 100, Header: "X-C", Pattern: "^y"}, "X-C: yes", 4},
		{config.Canary{Total: 100, Header: "X-C", Pattern: "^y"}, "X-C: no", 0},
		{config.Canary{Total: 100, Cookie: "c"}, "Cookie: a=b; c=always", 4},
		{config.Canary{Weight: 100, Total: 100, Cookie: "c"}, `Cookie: c="never"`, 0},
		{config.Canary{Weight: 2, Total: 4, Cookie: "c"}, "Cookie: cc=always", 2},
	} {
		p, got := New(&config.IngressPolicy{Canary: &c.canary}, "/", nil), 0
		var fields []string
		if c.field != "" {
			fields = append(fields, c.field)
		}
		for _, chance := range quarters {
			if p.Takes(asking(t, "GET", "http://a.test/", fields...).Request, chance) {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%+v, %q: takes %d of 4, want %d", c.canary, c.field, got, c.want)
		}
	}
}
