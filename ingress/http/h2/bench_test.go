package h2

import (
	"testing"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// loop is a connection that serves the same request again and again, client and
// server in turn, as one event loop would.
type loop struct {
	server, client *Conn
	head           *Head
	answer         []hpack.Field
	body           []byte
}

func newLoop(t testing.TB, size int) *loop {
	s, c := newPair(t, DefaultLimits(), DefaultLimits())
	head := get("/assets/app.js?v=1234")
	head.Fields = fields("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "accept-language", "en-US,en;q=0.5",
		"accept-encoding", "gzip, deflate, br, zstd", "referer", "https://example.com/", "cookie", "session=0123456789abcdef0123456789abcdef")
	answer := fields("Server", "nginx", "Date", "Fri, 27 Nov 2026 20:13:21 GMT", "Content-Type", "text/html; charset=utf-8",
		"Content-Length", "1024", "ETag", `"65f1a2b3-400"`)
	return &loop{server: s.Conn, client: c.Conn, head: head, answer: answer[:len(answer):len(answer)], body: make([]byte, size)}
}

// round is one request with its answer; it returns how many bytes of the body
// came.
func (l *loop) round(t testing.TB) (got int) {
	id, err := l.client.Open(l.head, true)
	if err != nil {
		t.Fatal(err)
	}
	l.answer[3].Value = l.answer[3].Value[:0:len(l.answer[3].Value)]
	l.answer[3].Value = appendInt(l.answer[3].Value, len(l.body))
	rest := l.body
	for l.client.Streams() > 0 {
		for in := l.client.Output(); ; {
			ev, n, err := l.server.Next(in, start)
			if err != nil {
				t.Fatal(err)
			}
			in = in[n:]
			if ev.Kind == Request {
				if err := l.server.Respond(id, 200, l.answer, false); err != nil {
					t.Fatal(err)
				}
			}
			if ev.Kind == Request || ev.Kind == Writable {
				n, err := l.server.Send(id, rest, true)
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if ev.Kind == None {
				break
			}
		}
		l.client.Wrote(len(l.client.Output()))
		for in := l.server.Output(); ; {
			ev, n, err := l.client.Next(in, start)
			if err != nil {
				t.Fatal(err)
			}
			in = in[n:]
			if ev.Kind == Data {
				got += len(ev.Data)
				l.client.Consumed(id, len(ev.Data))
			}
			if ev.Kind == None {
				break
			}
		}
		l.server.Wrote(len(l.server.Output()))
	}
	return got
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, '0'+byte(n%10))
}

// BenchmarkRoundTrip is both sides of a request: half of it is what a proxy's
// downstream side costs.
func BenchmarkRoundTrip(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"1KiB", 1 << 10}, {"100KiB", 100 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			l := newLoop(b, c.size)
			b.ReportAllocs()
			for b.Loop() {
				l.round(b)
			}
		})
	}
}

// BenchmarkServer is the server's side alone, of requests that were recorded.
func BenchmarkServer(b *testing.B) {
	w := newWire()
	preamble := w.b
	w.b = nil
	pairs := []string{":method", "GET", ":scheme", "https", ":authority", "example.com", ":path", "/assets/app.js?v=1234"}
	for _, f := range newLoop(b, 0).head.Fields {
		pairs = append(pairs, string(f.Name), string(f.Value))
	}
	w.frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block(pairs...))
	first := w.b
	w.b = nil
	w.frame(typeHeaders, flagEndHeaders|flagEndStream, 1, w.block(pairs...)) // from the table
	again, body, answer := w.b, make([]byte, 1024), newLoop(b, 0).answer
	s := NewServer(DefaultLimits(), &Scratch{})
	id := uint32(1)
	serve := func(in []byte) {
		for {
			ev, n, err := s.Next(in, start)
			if err != nil {
				b.Fatal(err)
			}
			if in = in[n:]; ev.Kind == None {
				break
			}
			if ev.Kind == Request {
				_ = s.Respond(ev.Stream, 200, answer, false)
				_, _ = s.Send(ev.Stream, body, true)
			}
		}
	}
	serve(preamble)
	serve(first)
	b.ReportAllocs()
	for b.Loop() {
		if id += 2; id > maxStream-2 {
			b.Fatal("no more streams")
		}
		again[5], again[6], again[7], again[8] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
		s.sendWindow = 1 << 30
		serve(again)
		s.Wrote(len(s.Output()))
	}
}

// TestNoAllocations is the promise of a request on the fast path.
func TestNoAllocations(t *testing.T) {
	for _, size := range []int{0, 1 << 10, 100 << 10} {
		l := newLoop(t, size)
		for range 100 {
			if got := l.round(t); got != size {
				t.Fatalf("%d bytes came, want %d", got, size)
			}
		}
		if n := testing.AllocsPerRun(1000, func() { l.round(t) }); n != 0 {
			t.Errorf("%v allocations for a request with %d bytes, both sides; want 0", n, size)
		}
	}
}
