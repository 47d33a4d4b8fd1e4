package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestTriedAgain: a request goes elsewhere if nothing of it was sent, or if its
// method is safe and nothing came back.
func TestTriedAgain(t *testing.T) {
	good := func() *script { return scripted(t, ok, ok, ok, ok, ok, ok, ok, ok) }
	hangsUp := func() *script { return scripted(t, "") }
	halfway := func() *script { return scripted(t, "HTTP/1.1 200 OK\r\n") }
	for _, c := range []struct {
		name, method string
		bad          func() *script
		want         []int // statuses that may come
	}{
		{"GET, nobody listens", "GET", nil, []int{200}},
		{"POST, nobody listens", "POST", nil, []int{200}},
		{"GET, hung up on", "GET", hangsUp, []int{200}},
		{"POST, hung up on", "POST", hangsUp, []int{200, 502}},
		{"GET, answered by halves", "GET", halfway, []int{200, 502}},
	} {
		bad, sound := "127.0.0.1:1", good()
		var broken *script
		if c.bad != nil {
			broken = c.bad()
			bad = broken.addr
		}
		r := start(t, Options{}, bad, sound.addr)
		counts := map[int]int{}
		for range 4 {
			status, _ := r.do(client(t), c.method, "/", strings.Repeat("x", len(c.method)%3))
			counts[status]++
		}
		for _, want := range c.want {
			if counts[want] == 0 {
				t.Errorf("%s: %v, want some %d", c.name, counts, want)
			}
			delete(counts, want)
		}
		if len(counts) > 0 {
			t.Errorf("%s: %v beside", c.name, counts)
		}
		if broken != nil && len(broken.requests()) == 0 {
			t.Errorf("%s: the broken endpoint was not asked", c.name)
		}
	}
}

// TestNotTakenYet: what waits to be sent to an endpoint may have arrived when the
// connection breaks, and counts as sent.
func TestNotTakenYet(t *testing.T) {
	w := new(worker)
	x := &passage{w: w, up: &upstream{link: link{w: w}}}
	x.ask([]byte("POST / HTTP/1.1\r\nHost: x\r\n\r\n")) // a socket that takes nothing now
	if x.up.pending() == 0 || x.mayTryAgain(io.EOF) {
		t.Errorf("a POST is sent twice, %d bytes of which wait", x.up.pending())
	}
}

// TestAnswerBeforeRequest: an endpoint that answers as soon as it has a connection is
// heard.
func TestAnswerBeforeRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wrote := make(chan struct{})
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, ok)
		close(wrote)
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}()
	r := start(t, Options{Response: 2 * time.Second}, l.Addr().String())
	conn := dial(t, r.addr)
	for n, of := 0, 0; n+of == 0; n, of = r.served() {
		time.Sleep(time.Millisecond)
	}
	sent := make(chan struct{})
	r.stall(sent)
	for _, w := range r.workers {
		w.loop.Post(func() { <-wrote }) // in the round in which the loop begins to connect
	}
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	close(sent)
	if status, body, _ := conn.hears("GET"); status != 200 || body != "ok" {
		t.Errorf("%d %q", status, body)
	}
}

// TestStaleConnection: an idle connection that the backend closed, or that says
// something unasked, is not used.
func TestStaleConnection(t *testing.T) {
	for _, first := range []string{ok, ok + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"} {
		s := scripted(t, first)
		r := start(t, Options{}, s.addr)
		c := client(t)
		for range 10 {
			if status, body := r.do(c, "POST", "/", "x"); status != 200 || body != "ok" {
				t.Fatalf("%d %q", status, body)
			}
			r.settled(false)
		}
	}
}

// TestUnaskedAtOnce: what an endpoint says on an idle connection is no answer to a
// request that comes in the same moment.
func TestUnaskedAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
			go repeat(c, []byte(ok))
		}
	}()
	r := start(t, Options{Driver: Loops}, l.Addr().String())
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.hears("GET")
	over := make(chan struct{})
	r.stall(over)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_, err = io.WriteString(<-conns, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
	close(over)
	if status, body, _ := conn.hears("GET"); status != 200 || body != "ok" || err != nil {
		t.Errorf("%d %q, %v", status, body, err)
	}
}

// settled waits until no request is under way and no idle connection looks fit
// for use, or, with idle, until one does.
func (r *rig) settled(idle bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		busy, fit := 0, false
		for _, e := range r.state.Load().endpoints {
			busy += e.InFlight()
			fit = fit || r.fit(e) > 0
		}
		if busy == 0 && fit == idle {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d requests are under way, a connection is idle: %t", busy, fit)
		}
	}
}

// TestReuse: requests of many clients share few connections, with TLS and without.
func TestReuse(t *testing.T) {
	for _, secure := range []*BackendTLS{nil, {Insecure: true}} {
		reuse(t, secure)
	}
}

func reuse(t *testing.T, secure *BackendTLS) {
	var opened atomic.Int64
	s := &http.Server{Handler: http.HandlerFunc(echo), ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			opened.Add(1)
		}
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*newAuthority(t).issue(t, "backend.test")}})
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	r := start(t, Options{})
	r.serve()
	r.lead(Pool{TLS: secure}, l.Addr().String())
	for range 5 {
		c := client(t)
		for range 5 {
			r.do(c, "GET", "/", "")
		}
		r.settled(true)
	}
	if n := opened.Load(); n > int64(max(1, len(r.workers))) { // each loop has its own
		t.Errorf("%d connections for requests one after the other", n)
	}
}

// TestEarlyAnswer: a backend may answer before it has read the body; the client
// gets the answer, and the rest of its body is no request.
func TestEarlyAnswer(t *testing.T) {
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(403)
	}))
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
	if status, _, res := conn.hears("POST"); status != 403 || !res.Close {
		t.Errorf("%d, closing: %t", status, res.Close)
	}
	_, _ = conn.Write([]byte(strings.Repeat("GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n", 100)))
	_ = conn.CloseWrite()
	conn.isClosed()
}

// TestTooLargeInPieces: a body that turns out too large ends its connection. What
// it holds is no request, whatever it looks like.
func TestTooLargeInPieces(t *testing.T) {
	for _, together := range []bool{true, false} {
		r := start(t, Options{}, "127.0.0.1:1")
		r.Apply(Config{Router: toAll{}, MaxBody: 10, Pools: []Pool{{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(mute(t))}}}})
		head, data := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
		rest := fmt.Sprintf("%x\r\n%s", len(data), data)
		conn := dial(t, r.addr)
		if together {
			conn.say(head + rest)
		} else {
			conn.say(head)
			for r.state.Load().pools[0].endpoints[0].InFlight() == 0 {
				time.Sleep(time.Millisecond) // until the head was taken without a body
			}
			conn.say(rest)
		}
		if status, _, res := conn.hears("POST"); status != 413 || !res.Close {
			t.Errorf("%d, closing: %t", status, res.Close)
		}
		conn.isClosed()
	}
}

// TestStreams: what a backend sends arrives before its answer is complete, and
// what a client sends before its request is.
func TestStreams(t *testing.T) {
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 1)
		for {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				return
			}
			_, _ = fmt.Fprintf(w, "<%s>", buf)
			w.(http.Flusher).Flush()
		}
	}))
	body, say := io.Pipe()
	req, _ := http.NewRequest("POST", "http://"+r.addr, body)
	go func() { _, _ = say.Write([]byte("a")) }()
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, letter := range []string{"a", "b", "c"} {
		got := make([]byte, 3)
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "<"+letter+">" {
			t.Fatalf("%q, %v", got, err)
		}
		if next := map[string]string{"a": "b", "b": "c"}[letter]; next != "" {
			_, _ = say.Write([]byte(next))
		}
	}
	_ = say.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestBackPressure: with a client that does not read, a backend cannot write on
// and on, for nothing is stored but in sockets.
func TestBackPressure(t *testing.T) {
	var wrote atomic.Int64
	stuck := make(chan struct{})
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 64<<10)
		rc := http.NewResponseController(w)
		for {
			_ = rc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
			n, err := w.Write(piece)
			if wrote.Add(int64(n)); err != nil {
				close(stuck)
				return
			}
		}
	}))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-stuck:
	case <-time.After(time.Minute):
	}
	if n := wrote.Load(); n > 64<<20 {
		t.Errorf("the backend wrote %d MiB for a client that reads nothing", n>>20)
	}
}

// TestBrokenOffAnswer: a client notices that an answer is not complete, however
// its end is told.
func TestBrokenOffAnswer(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nx\r\n"} {
		for _, version := range []string{"1.0", "1.1"} {
			r := start(t, Options{}, scripted(t, answer).addr)
			conn := dial(t, r.addr)
			conn.say("GET / HTTP/" + version + "\r\nHost: x\r\n\r\n")
			if b, err := readAnswer(conn); err == nil {
				t.Errorf("HTTP/%s: %q is taken for complete: %q", version, answer, b)
			}
		}
	}
}

func readAnswer(conn *raw) ([]byte, error) {
	res, err := http.ReadResponse(conn.in, &http.Request{Method: "GET"})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(res.Body)
}

// upgrading is an origin that switches to a protocol of its own: it echoes.
func upgrading(t *testing.T) string {
	return origin(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\nwelcome ", r.Header.Get("Upgrade"))
		_, _ = io.Copy(c, rw)
	})
}

// TestUpgrade: after 101 bytes pass both ways, those sent early included, and the
// end of each way.
func TestUpgrade(t *testing.T) {
	r := start(t, Options{}, upgrading(t))
	conn := dial(t, r.addr)
	conn.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
	res, err := http.ReadResponse(conn.in, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "echo" {
		t.Fatalf("%+v, %v", res, err)
	}
	conn.say("GET /hidden HTTP/1.1\r\n\r\n")
	_ = conn.CloseWrite()
	if b, err := io.ReadAll(conn.in); err != nil || string(b) != "welcome early GET /hidden HTTP/1.1\r\n\r\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestRollingEndpoints: endpoints come and go under load, politely as pods do:
// first out of the Config, then away. No request fails, of any method.
func TestRollingEndpoints(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, HTTP2} {
		t.Run(fmt.Sprint("HTTP", protocol+1), func(t *testing.T) { rollEndpoints(t, protocol) })
	}
}

func rollEndpoints(t *testing.T, protocol Protocol) {
	type pod struct {
		*http.Server
		addr string
	}
	begin := func() pod {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(echo), Protocols: new(http.Protocols)}
		s.Protocols.SetHTTP1(protocol == HTTP1)
		s.Protocols.SetUnencryptedHTTP2(protocol == HTTP2)
		go func() { _ = s.Serve(l) }()
		return pod{s, l.Addr().String()}
	}
	pods := []pod{begin(), begin()}
	r := start(t, Options{})
	r.lead(Pool{Protocol: protocol}, pods[0].addr, pods[1].addr)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var done [8]atomic.Int64
	var failed atomic.Int64
	// served waits until each client has begun and ended a request.
	served := func() {
		for i := range done {
			for before := done[i].Load(); done[i].Load() < before+2; {
				time.Sleep(time.Millisecond)
			}
		}
	}
	for i := range done {
		method, body := "GET", ""
		if i%2 == 1 {
			method, body = "POST", "hello"
		}
		load.Go(func() {
			c := client(t)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, answer, err := r.attempt(c, method, "/", body); status != 200 || err != nil {
					t.Errorf("%d %q, %v", status, answer, err)
					failed.Add(1)
				}
				done[i].Add(1)
			}
		})
	}
	for range 40 {
		fresh := begin()
		r.lead(Pool{Protocol: protocol}, pods[1].addr, fresh.addr)
		served() // as a pod that is going serves on for a while
		_ = pods[0].Shutdown(context.Background())
		pods = []pod{pods[1], fresh}
		served()
	}
	close(stop)
	load.Wait()
	for _, p := range pods {
		_ = p.Close()
	}
	if failed.Load() > 0 {
		t.Errorf("%d requests failed", failed.Load())
	}
}

// TestNothingLeaks: resets from both sides at any moment leave no goroutine and
// no descriptor, and bytes never reach another's answer.
func TestNothingLeaks(t *testing.T) {
	hostile := origin(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, int64(rand.IntN(40000))))
		if err != nil {
			return
		}
		if rand.IntN(3) == 0 {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nok")[:rand.IntN(40)])
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
			return
		}
		tag := r.Header.Get("X-Tag")
		_, _ = fmt.Fprintf(w, "%s%s%s", tag, strings.Repeat("x", rand.IntN(100000)), tag)
		_ = body
	})
	base, descriptors := runtime.NumGoroutine(), open(t)
	func() {
		r := start(t, Options{}, hostile)
		var all sync.WaitGroup
		var whole atomic.Int64
		for i := range 16 {
			all.Go(func() {
				for j := range 60 {
					if abuse(t, r.addr, fmt.Sprintf("[%d.%d]", i, j)) {
						whole.Add(1)
					}
				}
			})
		}
		all.Wait()
		if whole.Load() == 0 {
			t.Error("not one answer was complete")
		}
		r.stop()
		if err := r.ended(); err != nil {
			t.Error(err)
		}
	}()
	nothingLeft(t, base, descriptors)
}

// nothingLeft waits until there are no more goroutines and descriptors than there
// were.
func nothingLeft(t *testing.T, base, descriptors int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		// The origin ends its connections when it notices; they are in this process.
		if runtime.NumGoroutine() <= base && open(t) <= descriptors {
			return
		}
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d at the start; %d descriptors, %d at the start\n%s", runtime.NumGoroutine(), base, open(t), descriptors, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// abuse sends a request and may reset the connection at any moment. It tells
// whether there was a complete answer, and checks whose it is.
func abuse(t *testing.T, addr, tag string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	body := strings.Repeat("y", rand.IntN(60000))
	text := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nX-Tag: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", tag, len(body), body)
	if rand.IntN(3) == 0 {
		_, _ = io.WriteString(c, text[:rand.IntN(len(text))])
		_ = c.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(5)) * time.Millisecond))
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
		return false
	}
	go func() { _, _ = io.WriteString(c, text) }()
	b, _ := io.ReadAll(c)
	head, answer, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return false
	}
	if i := bytes.IndexByte(answer, '['); i >= 0 && !bytes.HasPrefix(answer[i:], []byte(tag)) && len(answer) > i+len(tag) {
		t.Errorf("%s got %.40q", tag, answer[i:])
	}
	return bytes.Contains(answer, []byte(tag))
}

// open counts the descriptors of this process that are sockets.
func open(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
