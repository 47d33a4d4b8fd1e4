package engine

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// byPath leads what begins with /other to the second pool, all else to the first.
type byPath struct{}

func (byPath) Route(_, path string) (Route, bool) {
	if strings.HasPrefix(path, "/other") {
		return Route{Pool: 1}, true
	}
	return Route{Pool: 0}, true
}

// beside has an engine lead to one endpoint as usual, and to the other in its way.
func (r *rig) beside(usual, other string, how Pool) {
	how.Endpoints = []netip.AddrPort{netip.MustParseAddrPort(other)}
	r.Apply(Config{Router: byPath{}, Pools: []Pool{{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(usual)}}, how}})
}

// served counts the clients of goroutines and of loops.
func (r *rig) served() (byGoroutines, byLoops int) {
	for _, w := range r.workers {
		w.loop.Call(r.t.Context(), func() { byLoops += len(w.clients) })
	}
	return r.each(func(*conn) {}), byLoops
}

// TestPrefaceInPieces: HTTP/2 without TLS is known by its preface, however it comes,
// and what begins like it and is none is refused.
func TestPrefaceInPieces(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	f := &framed{c: dial(t, r.addr)}
	for _, b := range []byte(http2.ClientPreface) {
		f.c.say(string(b))
		time.Sleep(time.Millisecond) // most come one by one then
	}
	f.Framer, f.enc = http2.NewFramer(f.c, f.c.in), hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.must(f.WriteSettings())
	f.head(1, true, request("GET", "/")...)
	if got := f.hears(1); got != "200" {
		t.Errorf("heard %s", got)
	}
	if n, of := r.served(); driver == Loops && (n != 0 || of != 1) {
		t.Errorf("goroutines serve %d clients, loops %d", n, of)
	}
	odd := dial(t, r.addr)
	odd.say(http2.ClientPreface[:len(http2.ClientPreface)-1] + "?")
	if status, _, _ := odd.hears("GET"); status != 505 {
		t.Errorf("what is no preface: %d", status)
	}
	odd.isClosed()
}

// TestMixedBackends: one connection has requests, sent without waiting, for endpoints
// that loops can ask and for such that they cannot. All are answered in their order,
// with all of their bodies, and none twice.
func TestMixedBackends(t *testing.T) {
	r := start(t, Options{})
	usual := origin(t, echo)
	for name, other := range map[string]struct {
		how  Pool
		addr string
	}{
		"h2c": {Pool{Protocol: HTTP2}, origin2(t, echo, nil)},
		"h1":  {Pool{}, origin(t, echo)},
	} {
		r.beside(usual, other.addr, other.how)
		for _, first := range []string{"/", "/other"} {
			conn := dial(t, r.addr)
			large := strings.Repeat(name, 50_000)
			var all strings.Builder
			paths := []string{first, "/a", "/other/b", "/c", "/other/d"}
			for _, path := range paths {
				_, _ = fmt.Fprintf(&all, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(large), large)
			}
			go func() { _, _ = io.WriteString(conn, all.String()) }()
			for _, path := range paths {
				want := fmt.Sprintf("POST %s x %d\n%s", path, len(large), large)
				if status, body, _ := conn.hears("POST"); status != 200 || body != want {
					t.Errorf("%s, %s: %d %.60q", name, path, status, body)
				}
			}
			conn.say("GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if status, _, res := conn.hears("GET"); status != 200 || !res.Close {
				t.Errorf("%s: %d, closing: %t", name, status, res.Close)
			}
			conn.isClosed()
		}
	}
	r.settled(true)
}

// TestWaitingForMore: a request whose body waits for 100 Continue, or comes late, is
// for an endpoint that loops cannot ask.
func TestWaitingForMore(t *testing.T) {
	r := start(t, Options{})
	r.beside(origin(t, echo), origin2(t, echo, nil), Pool{Protocol: HTTP2})
	conn := dial(t, r.addr)
	conn.say("POST /other HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if status, _, _ := conn.hears("POST"); status != 100 {
		t.Fatalf("heard %d", status)
	}
	conn.say("hello")
	if status, body, _ := conn.hears("POST"); status != 200 || body != "POST /other x 5\nhello" {
		t.Errorf("%d %q", status, body)
	}
}

// TestHandedOverLeaving: who was handed over is told to go at the end as all others
// are, is waited for, and is cut after the grace time.
func TestHandedOverLeaving(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other/slow" {
			begun <- struct{}{}
			<-finish
		}
		echo(w, r)
	}
	r := start(t, Options{})
	r.beside(origin(t, echo), origin2(t, slow, nil), Pool{Protocol: HTTP2})
	idle, busy := dial(t, r.addr), dial(t, r.addr)
	idle.say("GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, _, res := idle.hears("GET"); status != 200 || res.Close {
		t.Errorf("%d, closing: %t", status, res.Close)
	}
	busy.say("GET /other/slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	if n, of := r.served(); n != 2 || of != 0 {
		t.Errorf("goroutines serve %d clients, loops %d", n, of)
	}
	r.stop()
	idle.isClosed()
	close(finish)
	if status, _, res := busy.hears("GET"); status != 200 || !res.Close {
		t.Errorf("what was under way: %d, closing: %t", status, res.Close)
	}
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

// stall has the loops do nothing from their present round on, until it is over.
func (r *rig) stall(over <-chan struct{}) {
	for _, w := range r.workers {
		begun := make(chan struct{})
		w.loop.Post(func() {
			close(begun)
			<-over
		})
		<-begun
	}
}

// TestHandedOverAfterReset: of a client that is gone when it is handed over, an
// endpoint still hears who it was.
func TestHandedOverAfterReset(t *testing.T) {
	heard := make(chan string, 1)
	r := start(t, Options{})
	r.beside(origin(t, echo), origin2(t, func(_ http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("X-Forwarded-For")
	}, nil), Pool{Protocol: HTTP2})
	conn := dial(t, r.addr)
	for n, of := 0, 0; n+of == 0; n, of = r.served() {
		time.Sleep(time.Millisecond)
	}
	gone := make(chan struct{})
	r.stall(gone)
	conn.say("GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = conn.SetLinger(0)
	_ = conn.Close()
	close(gone)
	select {
	case from := <-heard:
		if from != "127.0.0.1" {
			t.Errorf("the endpoint heard of %q", from)
		}
	case <-time.After(time.Minute):
		t.Error("the endpoint heard nothing")
	}
}

// TestHandedOverTooLate: a connection that comes to the goroutines after all were cut
// is cut as well.
func TestHandedOverTooLate(t *testing.T) {
	e, err := New(Options{Driver: driver, Header: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	e.cut()
	client, server := pair(t)
	c := newConn(e, server, false)
	e.own(c, c.serve)
	_ = client.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := client.Read(make([]byte, 1)); err == nil || late(err) {
		t.Fatalf("it is served: %v", err)
	}
	e.ended.Wait()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
