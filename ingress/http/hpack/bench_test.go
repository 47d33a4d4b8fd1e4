package hpack

import (
	"testing"

	oracle "golang.org/x/net/http2/hpack"
)

func fields(pairs ...string) (out []Field) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return out
}

// browser is what a browser sends.
var browser = fields(":method", "GET", ":authority", "shop.example.com", ":scheme", "https", ":path", "/assets/app.js?v=1234",
	"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "accept-language", "en-US,en;q=0.5",
	"accept-encoding", "gzip, deflate, br, zstd", "referer", "https://shop.example.com/", "cookie", "session=0123456789abcdef0123456789abcdef",
	"sec-fetch-dest", "script", "sec-fetch-mode", "no-cors", "sec-fetch-site", "same-origin", "priority", "u=2")

var answer = fields(":status", "200", "server", "nginx", "date", "Fri, 27 Nov 2026 20:13:21 GMT", "content-type", "text/html; charset=utf-8",
	"content-length", "1024", "last-modified", "Fri, 27 Nov 2026 10:00:00 GMT", "etag", `"65f1a2b3-400"`, "cache-control", "max-age=3600", "vary", "accept-encoding")

func block(e *Encoder, list []Field, dst []byte) []byte {
	dst = e.Begin(dst)
	for _, f := range list {
		dst = e.Append(dst, f)
	}
	return dst
}

// first and again are the blocks of two requests of a connection.
func first(list []Field) (first, again []byte) {
	e := NewEncoder(DefaultTableSize)
	return block(&e, list, nil), block(&e, list, nil)
}

func BenchmarkDecode(b *testing.B) {
	one, two := first(browser)
	b.Run("again", func(b *testing.B) { // fields from the table
		d := NewDecoder(huge)
		var f Fields
		if err := d.Decode(one, &f); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Decode(two, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) { // fields spelled out, into the table
		d := NewDecoder(huge)
		var f Fields
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Decode(one, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again/oracle", func(b *testing.B) {
		d := oracle.NewDecoder(DefaultTableSize, func(oracle.HeaderField) {})
		if _, err := d.Write(one); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Write(two); err != nil {
				b.Fatal(err)
			}
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first/oracle", func(b *testing.B) {
		d := oracle.NewDecoder(DefaultTableSize, func(oracle.HeaderField) {})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Write(one); err != nil {
				b.Fatal(err)
			}
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range []struct {
		name  string
		list  []Field
		table uint32
	}{{"request", browser, DefaultTableSize}, {"answer", answer, DefaultTableSize}, {"answer/no table", answer, 0}} {
		b.Run(c.name, func(b *testing.B) {
			e := NewEncoder(c.table)
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out = block(&e, c.list, out[:0])
			}
		})
	}
}

// TestNoAllocations is the promise of the package's documentation.
func TestNoAllocations(t *testing.T) {
	one, _ := first(browser)
	e, d := NewEncoder(DefaultTableSize), NewDecoder(huge)
	var f Fields
	var out []byte
	if n := testing.AllocsPerRun(1000, func() {
		out = block(&e, answer, block(&e, browser, out[:0]))
		if err := d.Decode(one, &f); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for two blocks written and one read, want 0", n)
	}
}
