package http

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"
)

// browser is what a browser sends: 445 bytes, the length that figures elsewhere
// speak of, and a bit more.
const browser = "GET /assets/app.js?v=42 HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Priority: u=0, i\r\n\r\n"

const answer = "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Mon, 02 Mar 2026 10:00:00 GMT\r\n" +
	"Content-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\nETag: \"abc\"\r\nVary: Accept-Encoding\r\n\r\n"

func BenchmarkRequestHead(b *testing.B) {
	in, lim := []byte(browser), DefaultLimits()
	var r Request
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.parse(in, &lim); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkResponseHead(b *testing.B) {
	in, lim := []byte(answer), DefaultLimits()
	var r Response
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.parse(in, false, &lim); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkExchange is all that the machines do for a request without a body and
// its answer: both heads read and written anew.
func BenchmarkExchange(b *testing.B) {
	ask, reply, page := []byte(browser), []byte(answer), make([]byte, 1024)
	s, c := NewServer(DefaultLimits()), NewClient(DefaultLimits())
	var req Request
	var res Response
	var up, down []byte
	b.ReportAllocs()
	for b.Loop() {
		if p, err := s.Next(ask, &req); p.Kind != GotHead || err != nil {
			b.Fatal(p, err)
		}
		if p, err := s.Next(nil, &req); p.Kind != End || err != nil {
			b.Fatal(p, err)
		}
		path, err := CleanPath(nil, req.Path)
		if err != nil {
			b.Fatal(err)
		}
		up = EndHead(c.AppendRequest(up[:0], &req, path, SetOf(XForwardedFor)))
		if p, err := c.Next(reply, &res); p.Kind != GotHead || err != nil {
			b.Fatal(p, err)
		}
		down = EndHead(s.AppendResponse(down[:0], &res, 0))
		if p, err := c.Next(page, &res); p.Kind != Data || err != nil {
			b.Fatal(p, err)
		}
		down = s.AppendData(down, page)
		if p, err := c.Next(nil, &res); p.Kind != End || err != nil {
			b.Fatal(p, err)
		}
		if !s.Finish() || !c.Reusable() {
			b.Fatal("the connections do not go on")
		}
	}
}

// BenchmarkNetHTTP is what net/http takes for the same head.
func BenchmarkNetHTTP(b *testing.B) {
	in := bytes.NewReader(nil)
	buf := bufio.NewReader(in)
	b.ReportAllocs()
	for b.Loop() {
		in.Reset([]byte(browser))
		buf.Reset(in)
		if _, err := http.ReadRequest(buf); err != nil {
			b.Fatal(err)
		}
	}
}
