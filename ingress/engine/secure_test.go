package engine

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// twoPools gives an engine a certificate, and leads to the usual endpoint and, with
// /other, to one that loops cannot ask.
func (r *rig) twoPools(usual, other string) (addr string) {
	r.t.Helper()
	addr, _ = r.secured()
	cfg := r.state.Load().Config
	cfg.Router, cfg.Pools = byPath{}, []Pool{
		{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(usual)}},
		{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(other)}, Protocol: HTTP2},
	}
	r.Apply(cfg)
	return addr
}

// TestSecureRequests: over TLS, requests that are sent without waiting, with large
// bodies both ways, are served in their order, whoever can ask their endpoints. Where
// there are loops they have the client until that.
func TestSecureRequests(t *testing.T) {
	r := start(t, Options{})
	addr := r.twoPools(origin(t, echo), origin2(t, echo, nil))
	conn, in := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	ask := func(paths ...string) {
		t.Helper()
		large := strings.Repeat("0123456789", 20_000)
		var all bytes.Buffer
		for _, path := range paths {
			_, _ = fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(large), large)
		}
		go func() { _, _ = conn.Write(all.Bytes()) }()
		for _, path := range paths {
			res, err := http.ReadResponse(in, &http.Request{Method: "POST"})
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if want := fmt.Sprintf("POST %s x %d\n%s", path, len(large), large); res.StatusCode != 200 || string(body) != want || err != nil {
				t.Errorf("%s: %d %.60q, %v", path, res.StatusCode, body, err)
			}
		}
	}
	ask("/a", "/b", "/c")
	if n, of := r.served(); driver == Loops && (n != 0 || of != 1) {
		t.Errorf("goroutines serve %d clients, loops %d", n, of)
	}
	ask("/d", "/other/e", "/f")
	if n, of := r.served(); n != 1 || of != 0 {
		t.Errorf("then goroutines serve %d clients, loops %d", n, of)
	}
	_ = conn.CloseWrite()
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
}

// TestSecureSlowReader: of an answer over TLS that nobody reads no more waits here than
// the sockets and a few reads hold; all of it arrives when it is read.
func TestSecureSlowReader(t *testing.T) {
	const size = 64 << 20
	sent := make(chan int, 1)
	r := start(t, Options{})
	addr, _ := r.secured(origin(t, func(w http.ResponseWriter, _ *http.Request) {
		piece, n := bytes.Repeat([]byte("x"), 32<<10), 0
		for n < size {
			m, err := w.Write(piece)
			if n += m; err != nil {
				break
			}
		}
		sent <- n
	}))
	conn, in := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-sent:
		t.Errorf("%d bytes were taken, and nobody read them", n)
	case <-time.After(time.Second):
	}
	if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSecureUpgrade: another protocol over TLS, whose bytes are all there, those that
// came early too.
func TestSecureUpgrade(t *testing.T) {
	r := start(t, Options{})
	addr, _ := r.secured(upgrading(t))
	conn, in := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	_, _ = io.WriteString(conn, "late")
	want := []byte("welcome early late")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in, got); !bytes.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// BenchmarkSecureRequest is BenchmarkRequest over TLS.
func BenchmarkSecureRequest(b *testing.B) {
	b.Run(string(driver), func(b *testing.B) {
		answer, size := page()
		r := start(b, Options{})
		addr, _ := r.secured(constant(b, answer))
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		in, got := bufio.NewReader(conn), make([]byte, size)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = io.WriteString(conn, browserAsks)
			if _, err := io.ReadFull(in, got); err != nil {
				b.Fatal(err)
			}
		}
	})
}
