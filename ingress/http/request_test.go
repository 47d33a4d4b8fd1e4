package http

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// wellFormed are what clients send.
var wellFormed = map[string]string{
	"browser":                  browser,
	"HTTP/1.0":                 "GET / HTTP/1.0\r\n\r\n",
	"absolute":                 "GET http://Shop.example:8080/a?b HTTP/1.1\r\nHost: other\r\n\r\n",
	"absolute, https, no path": "GET https://[2001:db8::1]?b HTTP/1.1\r\nHost: x\r\n\r\n",
	"asterisk":                 "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	"empty Host":               "GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"empty line":               "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"chunked":                  post("Transfer-Encoding: chunked\r\n", "5;ext=\"v\"\r\nhello\r\n00A\r\n, chunked!\r\n0\r\nX-Sum: 7\r\nHost: evil\r\n\r\n"),
	"counted":                  post("Content-Length: 5\r\n", "hello"),
	"pipelined":                "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
	"obs-text":                 "GET /\xc3\xa9?\xc3\xa9 HTTP/1.1\r\nHost: x\r\nX: \xe9\t!\r\n\r\n",
	"an upgrade":               "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"100-continue":             post("Expect: 100-Continue\r\nContent-Length: 2\r\n", "hi"),
	"hop-by-hop":               "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers, deflate\r\nProxy: p\r\nX: y\r\n\r\n",
	"empty fields":             "GET / HTTP/1.1\r\nHost: x\r\nA:\r\nB: \t \r\n\r\n",
	"many cookies":             "GET / HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n",
}

// TestRequests: what is understood of requests, and what goes on.
func TestRequests(t *testing.T) {
	for name, want := range map[string]string{
		"browser":                  "GET shop.example.com /assets/app.js",
		"HTTP/1.0":                 "GET  /",
		"absolute":                 "GET Shop.example:8080 /a",
		"absolute, https, no path": "GET [2001:db8::1] /",
		"asterisk":                 "OPTIONS x *",
		"empty Host":               "GET  /",
		"empty line":               "GET x /",
		"chunked":                  "POST x /first hello, chunked! [X-Sum: 7]",
		"counted":                  "POST x /first hello",
		"pipelined":                "GET x /a|POST x /b hi|GET x /c",
		"obs-text":                 "GET x /%C3%A9",
		"an upgrade":               "GET x /ws",
		"100-continue":             "POST x /first hi",
		"hop-by-hop":               "GET x /",
		"empty fields":             "GET x /",
		"many cookies":             "GET x /",
	} {
		in, ok := wellFormed[name]
		msgs, _, rest, err := requests(in, len(in))
		var got []string
		for _, m := range msgs {
			line := fmt.Sprintf("%s %s %s", m.method, m.authority, m.path)
			if m.body != "" {
				line += " " + m.body
			}
			if len(m.trailers) > 0 {
				line += fmt.Sprintf(" %v", m.trailers)
			}
			got = append(got, line)
		}
		if s := strings.Join(got, "|"); !ok || s != want || rest != "" {
			t.Errorf("%s: %q, %q left, %v; want %q", name, s, rest, err, want)
		}
		sameInPieces(t, in)
	}
}

func TestForwarded(t *testing.T) {
	for name, want := range map[string]string{
		"absolute":     lines("GET /a?b HTTP/1.1", "Host: Shop.example:8080", ""),
		"HTTP/1.0":     lines("GET / HTTP/1.1", "Host: ", ""),
		"asterisk":     lines("OPTIONS * HTTP/1.1", "Host: x", ""),
		"obs-text":     lines("GET /%C3%A9?\xc3\xa9 HTTP/1.1", "Host: x", "X: \xe9\t!", ""),
		"an upgrade":   lines("GET /ws HTTP/1.1", "Host: x", "Connection: upgrade", "Upgrade: websocket", ""),
		"hop-by-hop":   lines("GET / HTTP/1.1", "Host: x", "X: y", "Connection: te", "TE: trailers", ""),
		"100-continue": lines("POST /first HTTP/1.1", "Host: x", "Content-Length: 2", "Expect: 100-continue", "") + "hi",
		"chunked": lines("POST /first HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "",
			"5", "hello", "a", ", chunked!", "0", "X-Sum: 7", ""),
	} {
		_, upstream, _, _ := requests(wellFormed[name], len(wellFormed[name]))
		if len(upstream) != 1 || upstream[0] != want {
			t.Errorf("%s:\n got %q\nwant %q", name, upstream, want)
		}
	}
}

func TestForwardedWithout(t *testing.T) {
	in := "GET / HTTP/1.1\r\nHost: x\r\nx-forwarded-FOR: 1.2.3.4\r\nForwarded: for=x\r\nX: y\r\n\r\n"
	s, c := NewServer(DefaultLimits()), NewClient(DefaultLimits())
	var r Request
	if _, err := s.Next([]byte(in), &r); err != nil {
		t.Fatal(err)
	}
	got := AppendField(c.AppendRequest(nil, &r, r.Path, SetOf(XForwardedFor, Forwarded)), "X-Forwarded-For", "192.0.2.1")
	if want := "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\nX-Forwarded-For: 192.0.2.1\r\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUpgrades(t *testing.T) {
	for fields, want := range map[string]string{
		"Connection: Upgrade\r\nUpgrade: websocket\r\n":                               "websocket",
		"Connection: keep-alive, upgrade\r\nUpgrade: SPDY/3.1\r\n":                    "SPDY/3.1",
		"Upgrade: websocket\r\n":                                                      "",
		"Connection: Upgrade\r\n":                                                     "",
		"Connection: Upgrade\r\nUpgrade: h2c\r\n":                                     "",
		"Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n":                          "",
		"Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n":                                "",
		"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n":                                 "",
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: x\r\nHTTP2-Settings: AA\r\n": "",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n":          "",
	} {
		s := NewServer(DefaultLimits())
		var r Request
		if _, err := s.Next([]byte("GET / HTTP/1.1\r\nHost: x\r\n"+fields+"\r\n"), &r); err != nil || string(r.Upgrades()) != want {
			t.Errorf("%q: %q, %v, want %q", fields, r.Upgrades(), err, want)
		}
	}
}

// TestLimits: one byte or field too much is refused, and before it all is there.
func TestLimits(t *testing.T) {
	lim := Limits{Line: 100, Head: 300, Fields: 3, Extension: 10, Trailer: 50}
	long := strings.Repeat("x", 101)
	chunked := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		in     string
		status int
	}{
		"a long target":           {"GET /" + long, 414},
		"a long method":           {long, 414},
		"a long value":            {"GET / HTTP/1.1\r\nX: " + long, 431},
		"a long name":             {"GET / HTTP/1.1\r\n" + long, 431},
		"many fields":             {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nA: b\r\nA: b\r\n", 431},
		"a long head":             {"GET / HTTP/1.1\r\n" + strings.Repeat("A: "+strings.Repeat("b", 94)+"\r\n", 3), 431},
		"a long trailer section":  {chunked + "0\r\nX: " + strings.Repeat("y", 50) + "\r\n", 431},
		"a long extension":        {chunked + "1;" + strings.Repeat("y", 10), 400},
		"many extensions":         {chunked + strings.Repeat("1;yyyy\r\nz\r\n", 3), 400},
		"many options":            {"GET / HTTP/1.1\r\nConnection: " + strings.Repeat("a,", maxOptions+1) + "\r\n", 400},
		"many well-known options": {"GET / HTTP/1.1\r\n" + strings.Repeat("Connection: close,"+strings.Repeat("upgrade,", 8)+"\r\n", 2), 400},
		"many empty options":      {"GET / HTTP/1.1\r\nConnection: " + strings.Repeat(",", maxOptions+1) + "\r\n", 400},
	} {
		for _, step := range []int{1, 1000} {
			s := NewServer(lim)
			var r Request
			rest, err := feed(c.in, step, func(b []byte) (Piece, error) { return s.Next(b, &r) }, func(Piece) {})
			if step == 1 && err == nil { // what comes slowly is looked at when its limit is reached
				_, err = feed(rest+strings.Repeat("z", lim.Head), 1000, func(b []byte) (Piece, error) { return s.Next(b, &r) }, func(Piece) {})
			}
			if status(err) != c.status {
				t.Errorf("%s by %d: %v, want %d", name, step, err, c.status)
			}
		}
	}
}

// TestSlowHead: a head that comes byte by byte is read a few times and no more.
func TestSlowHead(t *testing.T) {
	in := []byte("GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 100) + "Host: x\r\n\r\n")
	var s scan
	reads := 0
	for i := 1; i <= len(in); i++ {
		if s.worthwhile(in[:i], 100) {
			reads++
		}
	}
	if reads != 2 {
		t.Errorf("read %d times", reads)
	}
}

var paths = map[string]string{
	"/":              "/",
	"/a/b":           "/a/b",
	"/a//b/":         "/a/b/",
	"/a/./b/.":       "/a/b/",
	"/a/../b":        "/b",
	"/a/..":          "/",
	"/a/b/..":        "/a/",
	"/.well-known/x": "/.well-known/x",
	"/%41%7e%2d":     "/A~-",
	"/a%2fb":         "/a%2Fb",
	"/a%252e":        "/a%252e",
	"/a b":           "/a%20b",
	"/\"<>\\^`{|}":   "/%22%3C%3E%5C%5E%60%7B%7C%7D",
	"/\xc3\xa9":      "/%C3%A9",
	"/%c3%A9":        "/%C3%A9",
	"/a;b.c":         "/a;b.c",
	"/a%3Bb":         "/a%3Bb",
	"/...":           "/...",
	"/..a":           "/..a",
	"*":              "*",
	"":               "",
	"/..":            "!above",
	"/a/../../b":     "!above",
	"/%2e%2e/b":      "!hides",
	"/a/.%2E":        "!hides",
	"/a/..;x/b":      "!hides",
	"/a/..%3bx/b":    "!hides",
	"/a\\..\\b":      "!hides",
	"/a/..%5cb":      "!hides",
	"/a/..%2fb":      "!hides",
	"/a%00":          "!NUL",
	"/%":             "!escape",
	"/%4":            "!escape",
	"/%4g":           "!escape",
	"a/%41":          "!target",
}

func TestCleanPath(t *testing.T) {
	for in, want := range paths {
		got, err := CleanPath(nil, []byte(in))
		if word, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%q: %q, %v, want %q", in, got, err, word)
			}
		} else if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

// TestControl holds the search by eight bytes against the plain one.
func TestControl(t *testing.T) {
	plain := func(b []byte, i int) int {
		n := slices.IndexFunc(b[i:], func(r byte) bool { return r < ' ' && r != '\t' || r == 0x7f })
		if n < 0 {
			return len(b)
		}
		return i + n
	}
	for c := range 256 {
		for at := range 20 {
			b := append(bytes.Repeat([]byte{'x'}, at), byte(c))
			b = append(b, "\t\x80\x1f yyyyyyyyyyyyyyyy\x7f"...)
			for i := range 3 {
				if got, want := control(b, i), plain(b, i); got != want {
					t.Fatalf("%q from %d: %d, want %d", b, i, got, want)
				}
			}
		}
	}
}
