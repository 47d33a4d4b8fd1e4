package engine

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSilentClients: one that says nothing, and one that says nothing more, is hung
// up on without a word.
func TestSilentClients(t *testing.T) {
	dial(t, start(t, Options{Header: 300 * time.Millisecond}, origin(t, echo)).addr).isClosed()
	conn := dial(t, start(t, Options{Idle: 300 * time.Millisecond}, origin(t, echo)).addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, _, res := conn.hears("GET"); status != 200 || res.Close {
		t.Errorf("heard %d, closing: %t", status, res.Close)
	}
	conn.isClosed()
}

// TestClientThatTakesNothing: a client that does not read its answer is given up, and
// the backend with it.
func TestClientThatTakesNothing(t *testing.T) {
	gone := make(chan struct{})
	r := start(t, Options{Client: 300 * time.Millisecond}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 64<<10))
		}
	}))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Fatal("the backend writes on and on")
	}
	if _, err := io.Copy(io.Discard, conn); err == nil {
		t.Error("what the client has looks complete")
	}
}

// TestBackendThatTakesNothing: one that reads no more of a body, and does not answer,
// is given up.
func TestBackendThatTakesNothing(t *testing.T) {
	r := start(t, Options{Between: 300 * time.Millisecond, Response: 300 * time.Millisecond}, mute(t))
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
	go func() { _, _ = conn.Write(make([]byte, 8_000_000)) }()
	if status, _, res := conn.hears("POST"); status != 504 || !res.Close {
		t.Errorf("heard %d, closing: %t", status, res.Close)
	}
}

// TestAnswerThatStops: a client notices that an answer does not go on.
func TestAnswerThatStops(t *testing.T) {
	r := start(t, Options{Between: 300 * time.Millisecond}, answersAt(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, err := readAnswer(conn); err == nil {
		t.Errorf("%q is taken for complete", b)
	}
}

// TestFewIdleEndpoints: no more idle connections to an endpoint are kept than may be.
func TestFewIdleEndpoints(t *testing.T) {
	var together sync.WaitGroup
	together.Add(8)
	r := start(t, Options{KeepIdle: 2}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait() // each has a connection of its own
	}))
	var all sync.WaitGroup
	c := client(t)
	for range 8 {
		all.Go(func() {
			if status, answer, err := r.attempt(c, "GET", "/", ""); status != 200 || err != nil {
				t.Errorf("%d %q, %v", status, answer, err)
			}
		})
	}
	all.Wait()
	r.settled(true)
	for _, e := range r.state.Load().endpoints {
		if n := r.fit(e); n > max(2, len(r.workers)) { // each loop keeps one
			t.Errorf("%d connections are kept", n)
		}
	}
}

// TestNotIdleForever: an idle connection to an endpoint is closed after a while.
func TestNotIdleForever(t *testing.T) {
	gone := make(chan struct{}, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			gone <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	r := start(t, Options{IdleFor: 300 * time.Millisecond}, s.Listener.Addr().String())
	if status, _ := r.do(client(t), "GET", "/", ""); status != 200 {
		t.Fatalf("heard %d", status)
	}
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Error("it is kept for ever")
	}
}

// TestClientGoesWhileWaiting: a request whose client is gone is given up, although the
// backend is silent.
func TestClientGoesWhileWaiting(t *testing.T) {
	begun, gone := make(chan struct{}), make(chan struct{})
	r := start(t, Options{}, origin(t, func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	for _, reset := range []bool{true, false} {
		conn := dial(t, r.addr)
		conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-begun
		if reset {
			_ = conn.SetLinger(0)
		}
		_ = conn.Close()
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Fatalf("the backend is kept waiting; reset: %t", reset)
		}
	}
}

// TestGoneBeforeTheNextTry: a client that is gone is noticed although its request went
// to another endpoint meanwhile.
func TestGoneBeforeTheNextTry(t *testing.T) {
	r := start(t, Options{Response: time.Hour}, scripted(t, "").addr, mute(t))
	for range 2 { // one of them to the other endpoint first
		conn := dial(t, r.addr)
		conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = conn.CloseWrite()
		if _, err := io.Copy(io.Discard, conn.in); err != nil {
			t.Error("it is kept waiting:", err)
		}
	}
}

// TestHalfClosedSlowReader: a client that sends no more, and does not read for a while,
// gets all of its answer.
func TestHalfClosedSlowReader(t *testing.T) {
	const size = 16 << 20 // more than sockets hold
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.CopyN(w, zeros{}, size)
	}))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = conn.CloseWrite()
	time.Sleep(lookEvery + time.Second) // until it was looked after
	if status, body, _ := conn.hears("GET"); status != 200 || len(body) != size {
		t.Errorf("%d, %d of %d bytes", status, len(body), size)
	}
}

// TestLargeHeads: heads that fill the buffers of both sides.
func TestLargeHeads(t *testing.T) {
	long := strings.Repeat("y", 15<<10)
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"A", "B", "C"} {
			w.Header().Set(name, r.Header.Get(name))
		}
	}))
	conn := dial(t, r.addr)
	for range 2 {
		conn.say("GET / HTTP/1.1\r\nHost: x\r\nA: " + long + "1\r\nB: " + long + "2\r\nC: " + long + "3\r\n\r\n")
		status, _, res := conn.hears("GET")
		if status != 200 || res.Header.Get("A") != long+"1" || res.Header.Get("B") != long+"2" || res.Header.Get("C") != long+"3" {
			t.Errorf("heard %d with other fields", status)
		}
	}
}
