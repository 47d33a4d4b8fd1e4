package engine

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLeaving: while it drains, answers close their connections; then what is
// under way ends, and idle connections do at once.
func TestLeaving(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	r := start(t, Options{Drain: 2 * time.Second}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-finish
		}
		echo(w, r)
	}))
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	idle, slow := dial(t, r.addr), dial(t, r.addr)
	idle.say(get)
	if _, _, res := idle.hears("GET"); res.Close {
		t.Error("connections are closed before the end")
	}
	slow.say("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	r.stop()
	for !r.leaving.Load() {
		time.Sleep(time.Millisecond)
	}
	late := dial(t, r.addr)
	late.say(get)
	if status, _, res := late.hears("GET"); status != 200 || !res.Close {
		t.Errorf("while draining: %d, closing: %t", status, res.Close)
	}
	idle.isClosed()
	close(finish)
	if status, _, res := slow.hears("GET"); status != 200 || !res.Close {
		t.Errorf("what was under way: %d, closing: %t", status, res.Close)
	}
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

// TestSlowReaderAtTheEnd: who is slow to take an answer gets all of it at the end,
// although no request of his is under way any more.
func TestSlowReaderAtTheEnd(t *testing.T) {
	r := start(t, Options{Driver: Loops}, origin(t, echo))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.hears("GET")
	const size = 16 << 20 // more than sockets hold
	for _, w := range r.workers {
		w.loop.Call(t.Context(), func() {
			for d := range w.clients {
				if err := d.say(make([]byte, size)); err != nil || d.pending() == 0 {
					t.Errorf("%d bytes wait, %v", d.pending(), err)
				}
			}
		})
	}
	r.stop()
	for !r.finishing.Load() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(lastWait + 500*time.Millisecond) // until idle connections were closed
	if n, err := io.Copy(io.Discard, conn.in); n != size || err != nil {
		t.Errorf("heard %d of %d bytes, %v", n, size, err)
	}
}

// TestGrace: what does not end in time is cut, upgraded connections too.
func TestGrace(t *testing.T) {
	r := start(t, Options{Grace: 300 * time.Millisecond}, upgrading(t))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if res, err := http.ReadResponse(conn.in, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%+v, %v", res, err)
	}
	r.stop()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, conn.in) // ends, in whatever way
}

// TestNobodyIsReset: every client whose connection the kernel took is answered,
// those that waited in the listener's queue when the end came included.
func TestNobodyIsReset(t *testing.T) {
	r := start(t, Options{}, origin(t, echo))
	var clients sync.WaitGroup
	var mu sync.Mutex
	answers, first := map[string]int{}, make(chan struct{}, 1000)
	for range 8 {
		clients.Go(func() {
			for {
				c, err := net.DialTimeout("tcp", r.addr, 500*time.Millisecond)
				if err != nil {
					return // the kernel takes nobody any more
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				b, readErr := io.ReadAll(c)
				_ = c.Close()
				mu.Lock()
				answers[fmt.Sprintf("%.12s %v %v", b, err, readErr)]++
				mu.Unlock()
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 100 {
		<-first
	}
	r.stop()
	clients.Wait()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
	if len(answers) != 1 || answers["HTTP/1.1 200 <nil> <nil>"] == 0 {
		t.Errorf("%v", answers)
	}
}

// TestSwap: a new Config drops nothing. A request under way goes on, the
// connection it came on serves the next one by the new Config, and an endpoint
// that is not named any more keeps no connection.
func TestSwap(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	before := origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "before")
		w.(http.Flusher).Flush()
		close(begun)
		<-finish
		_, _ = io.WriteString(w, " and after")
	})
	r := start(t, Options{}, before)
	old := r.state.Load()
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	r.serve(scripted(t, ok).addr)
	close(finish)
	if status, body, _ := conn.hears("GET"); status != 200 || body != "before and after" {
		t.Errorf("%d %q", status, body)
	}
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, body, _ := conn.hears("GET"); status != 200 || body != "ok" {
		t.Errorf("%d %q", status, body)
	}
	for _, e := range old.endpoints {
		if r.fit(e) > 0 {
			t.Error("a connection to an endpoint that is gone was kept")
		}
	}
}

// TestGivenUp: an engine that does not run leaves nothing open.
func TestGivenUp(t *testing.T) {
	before := open(t)
	e, err := New(Options{Driver: driver, Listen: []string{"127.0.0.1:0", "[::1]:0"}})
	if err != nil {
		t.Fatal(err)
	}
	if open(t) <= before {
		t.Error("it does not listen")
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if n := open(t); n != before {
		t.Errorf("%d sockets, %d before", n, before)
	}
}

// TestUnknownDriver: a driver that is none is named.
func TestUnknownDriver(t *testing.T) {
	if _, err := New(Options{Driver: "threads"}); err == nil || !strings.Contains(err.Error(), "threads") {
		t.Errorf("%v", err)
	}
}

// TestListenFails: an address that cannot be had is named.
func TestListenFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := New(Options{Listen: []string{"127.0.0.1:0", l.Addr().String()}}); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("%v", err)
	}
}
