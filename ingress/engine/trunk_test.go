package engine

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestMixedStreams: one connection of HTTP/2 has streams for endpoints that loops can
// ask and for such that they cannot, at once. All are answered, and where there are
// loops they keep the connection.
func TestMixedStreams(t *testing.T) {
	r := start(t, Options{})
	addr := r.twoPools(origin(t, echo), origin2(t, echo, nil))
	tr := &http2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	c := &http.Client{Transport: tr, Timeout: time.Minute}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			path, body := "/one", strings.Repeat(fmt.Sprint(i, "."), 10*i)
			if i%2 == 1 {
				path = "/other"
			}
			res, err := c.Post("https://"+addr+path, "", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			want := fmt.Sprintf("POST %s %s %d\n%s", path, addr, len(body), body)
			if got, err := io.ReadAll(res.Body); string(got) != want || err != nil {
				t.Errorf("%s: %.60q, %v", path, got, err)
			}
		})
	}
	all.Wait()
	if n, of := r.served(); driver == Loops && (n != 0 || of != 1) {
		t.Errorf("goroutines serve %d clients, loops %d", n, of)
	}
	tr.CloseIdleConnections()
	r.settled(true)
}

// TestSmallWindows: an answer larger than the client's windows waits for them, and
// comes whole, its trailers too.
func TestSmallWindows(t *testing.T) {
	const size = 200_000
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-End")
		_, _ = w.Write(bytes.Repeat([]byte("x"), size))
		w.Header().Set("X-End", "yes")
	}))
	f := &framed{c: dial(t, r.addr)}
	f.c.say(http2.ClientPreface)
	f.Framer, f.enc = http2.NewFramer(f.c, f.c.in), hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	const window = 1000
	f.must(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
	f.head(1, true, request("GET", "/")...)
	for n, room := 0, window; ; {
		fr, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch fr := fr.(type) {
		case *http2.DataFrame:
			n += len(fr.Data())
			if room -= len(fr.Data()); room < 0 {
				t.Fatal("more came than the window had room for")
			}
			if room == 0 {
				f.must(f.WriteWindowUpdate(1, 7*window))
				f.must(f.WriteWindowUpdate(0, 8*window))
				room = 7 * window
			}
		case *http2.MetaHeadersFrame:
			if fr.StreamEnded() {
				if n != size || len(fr.Fields) != 1 || fr.Fields[0].Value != "yes" {
					t.Errorf("%d bytes, and then %v", n, fr.Fields)
				}
				return
			}
		case *http2.RSTStreamFrame:
			t.Fatal(fr.ErrCode)
		}
	}
}

// asks2 is a client of HTTP/2 that makes no garbage: each time it asks it sends the
// same head on the next stream, and waits for so many bytes.
func asks2(t testing.TB, addr string) (ask func()) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var out, block bytes.Buffer
	fr, enc := http2.NewFramer(&out, nil), hpack.NewEncoder(&block)
	out.WriteString(http2.ClientPreface)
	_ = fr.WriteSettings()
	_ = fr.WriteWindowUpdate(0, 1<<30)
	fields := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/shop"}, {Name: "user-agent", Value: "x"}}
	id, in := uint32(1), make([]byte, 32<<10)
	return func() {
		block.Reset()
		for _, f := range fields {
			_ = enc.WriteField(f)
		}
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
		if _, err := conn.Write(out.Bytes()); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		for n, ended := 0, false; !ended; {
			m, err := conn.Read(in[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
			for b := in[:n]; len(b) >= 9; {
				size := 9 + int(b[0])<<16 + int(b[1])<<8 + int(b[2])
				if len(b) < size {
					break
				}
				ended = ended || b[4]&1 != 0 && b[3] == 0 && b[8] == byte(id) && b[7] == byte(id>>8)
				b = b[size:]
			}
		}
		id += 2
	}
}

// TestNoAllocationsHTTP2: loops make no garbage of a request over HTTP/2 either.
func TestNoAllocationsHTTP2(t *testing.T) {
	answer, _ := page()
	ask := asks2(t, start(t, Options{Driver: Loops}, constant(t, answer)).addr)
	for range 200 {
		ask()
	}
	if n := testing.AllocsPerRun(1000, ask); n > 0 {
		t.Errorf("%v allocations for each request", n)
	}
}

// BenchmarkRequestHTTP2 is one request after the other over HTTP/2.
func BenchmarkRequestHTTP2(b *testing.B) {
	b.Run(string(driver), func(b *testing.B) {
		answer, _ := page()
		ask := asks2(b, start(b, Options{}, constant(b, answer)).addr)
		for range 100 {
			ask()
		}
		b.ReportAllocs()
		for b.Loop() {
			ask()
		}
	})
}
