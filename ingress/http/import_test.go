package http

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// imported reads a head as if it had come over HTTP/2.
func imported(p Pseudo, fields ...Field) (*Request, error) {
	lim := DefaultLimits()
	r := &Request{Head: Head{Fields: fields}}
	return r, r.Import(p, &lim)
}

func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// TestImportAgrees: a head over HTTP/2 is refused where the same head over
// HTTP/1.1 is, with the same status, and goes on as the same bytes where not.
func TestImportAgrees(t *testing.T) {
	many := make([]string, 127) // with Host 128
	for i := range many {
		many[i] = "x: y"
	}
	for _, c := range []struct {
		fields []string
		status int // 0: it is accepted
	}{
		{nil, 0},
		{[]string{"accept: */*", "x-a: b, c", "x-empty:", "cookie: a=b; c=d"}, 0},
		{[]string{"content-length: 5"}, 0},
		{[]string{"content-length: 5", "content-length: 5"}, 400},
		{[]string{"content-length: 5, 5"}, 400},
		{[]string{"content-length: +5"}, 400},
		{[]string{"content_length: 5"}, 400},
		{[]string{"transfer_encoding: chunked"}, 400},
		{[]string{"x_forwarded_for: 192.0.2.1"}, 400},
		{[]string{"proxy_connection: close"}, 400},
		{[]string{"x_other: y"}, 0},
		{[]string{"host: y"}, 400},
		{[]string{"proxy: http://evil.test"}, 0},
		{[]string{"proxy-authorization: basic eA=="}, 0},
		{[]string{"http2-settings: AAAA"}, 0},
		{[]string{"te: trailers"}, 0},
		{[]string{"x-forwarded-for: 192.0.2.1", "forwarded: for=x", "date: now"}, 0},
		{[]string{"expect: 100-continue", "content-length: 5"}, 0},
		{[]string{"expect: a-miracle"}, 417},
		{[]string{"x: a\rb"}, 400},
		{[]string{"x: a\x00b"}, 400},
		{[]string{"x y: z"}, 400},
		{many, 0},
		{append(many, "x: y"), 431},
		{[]string{"x: " + strings.Repeat("y", 17<<10)}, 431},
		{[]string{"a: " + strings.Repeat("y", 15<<10), "b: " + strings.Repeat("y", 15<<10), "c: " + strings.Repeat("y", 15<<10), "d: " + strings.Repeat("y", 15<<10), "e: " + strings.Repeat("y", 15<<10)}, 431},
	} {
		text := "POST /p?q HTTP/1.1\r\nHost: shop.test\r\n"
		var fields []Field
		for _, f := range c.fields {
			text += f + "\r\n"
			name, value, _ := strings.Cut(f, ":")
			fields = append(fields, Field{Name: []byte(name), Value: []byte(strings.TrimSpace(value))})
		}
		over2, err2 := imported(Pseudo{Method: []byte("POST"), Authority: []byte("shop.test"), Path: []byte("/p?q")}, fields...)
		over1, server := new(Request), NewServer(DefaultLimits())
		_, err1 := server.Next([]byte(text+"\r\n"), over1)
		if statusOf(err1) != c.status || statusOf(err2) != c.status {
			t.Errorf("%.60q: over HTTP/1.1 %v, over HTTP/2 %v, want %d", c.fields, err1, err2, c.status)
			continue
		}
		if c.status != 0 {
			continue
		}
		first, second := NewClient(DefaultLimits()), NewClient(DefaultLimits())
		a, b := first.AppendRequest(nil, over1, over1.Path, 0), second.AppendRequest(nil, over2, over2.Path, 0)
		if !bytes.Equal(a, b) {
			t.Errorf("%.60q goes on as\n%q, and over HTTP/2 as\n%q", c.fields, a, b)
		}
	}
}

// TestImportTargets: authorities, paths and methods.
func TestImportTargets(t *testing.T) {
	for _, c := range []struct {
		p      Pseudo
		status int
	}{
		{Pseudo{Method: []byte("OPTIONS"), Authority: []byte("x"), Path: []byte("*")}, 0},
		{Pseudo{Method: []byte("GET"), Authority: []byte("x"), Path: []byte("*")}, 400},
		{Pseudo{Method: []byte("GET"), Authority: []byte("x@y"), Path: []byte("/")}, 400},
		{Pseudo{Method: []byte("GET"), Path: []byte("/")}, 400},
		{Pseudo{Method: []byte("CONNECT"), Authority: []byte("x:1")}, 400},
		{Pseudo{Method: []byte("GET"), Authority: []byte("x"), Path: []byte("/" + strings.Repeat("y", 17<<10))}, 414},
		{Pseudo{Method: []byte("CONNECT"), Protocol: []byte("websocket"), Authority: []byte("x"), Path: []byte("/chat"), Open: true}, 0},
	} {
		r, err := imported(c.p)
		if statusOf(err) != c.status {
			t.Errorf("%.90v: %v, want %d", c.p, err, c.status)
		}
		if err == nil && (string(r.Upgrades()) != string(c.p.Protocol) || r.Length != 0) {
			t.Errorf("%v: asks for the upgrade %q, length %d", c.p, r.Upgrades(), r.Length)
		}
	}
}

// TestImportBodies: how the body is framed for a backend of HTTP/1.1.
func TestImportBodies(t *testing.T) {
	length := Field{Name: []byte("content-length"), Value: []byte("3")}
	for _, c := range []struct {
		open   bool
		fields []Field
		want   int64
	}{{false, nil, 0}, {true, nil, Chunked}, {true, []Field{length}, 3}} {
		r, err := imported(Pseudo{Method: []byte("POST"), Authority: []byte("x"), Path: []byte("/"), Open: c.open}, c.fields...)
		if err != nil || r.Length != c.want {
			t.Errorf("open: %t, %d fields: length %d, %v, want %d", c.open, len(c.fields), r.Length, err, c.want)
		}
	}
}

// TestImportTrailers: what may be a trailer is kept, what says who sent a message
// or how to read it is not, and what has no form is refused.
func TestImportTrailers(t *testing.T) {
	lim := DefaultLimits()
	field := func(name, value string) Field { return Field{Name: []byte(name), Value: []byte(value)} }
	var r Request
	if err := r.ImportTrailers([]Field{field("x-sum", "7"), field("x-forwarded-for", "192.0.2.1"), field("grpc-status", "0")}, &lim); err != nil || len(r.Trailers) != 2 {
		t.Errorf("%v, %v", err, r.Trailers)
	}
	for status, list := range map[int][]Field{400: {field("content_length", "7")}, 431: {field("x", strings.Repeat("y", 9<<10))}} {
		if err := r.ImportTrailers(list, &lim); statusOf(err) != status {
			t.Errorf("%.90v: %v, want %d", list, err, status)
		}
	}
}

// TestExport: what of a backend's answer goes on over HTTP/2.
func TestExport(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\nConnection: close, x-hop\r\nX-Hop: z\r\nKeep-Alive: 5\r\n\r\n": "Content-Length: 2;X: y;",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\r\n":                                            "Server: s;",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nX: y\r\n\r\n":                                                  "X: y;",
		"HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n":               "Content-Length: 0;",
	} {
		c := NewClient(DefaultLimits())
		r, _ := imported(Pseudo{Method: []byte("GET"), Authority: []byte("x"), Path: []byte("/")})
		c.AppendRequest(nil, r, r.Path, 0)
		var res Response
		if _, err := c.Next([]byte(text), &res); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range res.AppendExport(nil) {
			got += string(f.Name) + ": " + string(f.Value) + ";"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestImportResponses: how the body of an answer that came over HTTP/2 is framed
// for a client of HTTP/1.1.
func TestImportResponses(t *testing.T) {
	lim := DefaultLimits()
	length := Field{Name: []byte("content-length"), Value: []byte("3")}
	for _, c := range []struct {
		status     int
		open, head bool
		fields     []Field
		want       string
	}{
		{200, true, false, nil, "Transfer-Encoding: chunked"},
		{200, true, false, []Field{length}, "Content-Length: 3"},
		{200, false, false, nil, "Content-Length: 0"},
		{200, false, true, nil, ""},
		{200, false, true, []Field{length}, "Content-Length: 3"},
		{304, false, false, nil, ""},
		{204, false, false, nil, ""},
	} {
		r := Response{Head: Head{Fields: c.fields}}
		if err := r.Import(c.status, c.open, c.head, &lim); err != nil {
			t.Fatal(err)
		}
		s := NewServer(lim)
		head := string(s.AppendResponse(nil, &r, 0))
		if !strings.HasPrefix(head, "HTTP/1.1 "+strconv.Itoa(c.status)+" "+http.StatusText(c.status)+"\r\n") {
			t.Errorf("%d: %q", c.status, head)
		}
		if _, fields, _ := strings.Cut(head, "\r\n"); strings.TrimSpace(strings.TrimSuffix(fields, "Connection: close\r\n")) != c.want {
			t.Errorf("%d, open: %t, HEAD: %t, %d fields: %q, want %q", c.status, c.open, c.head, len(c.fields), fields, c.want)
		}
	}
	bad := Response{Head: Head{Fields: []Field{{Name: []byte("transfer_encoding"), Value: []byte("chunked")}}}}
	if err := bad.Import(200, true, false, &lim); statusOf(err) != 502 {
		t.Errorf("%v", err)
	}
}
