package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// echoSocket is a WebSocket backend that says everything twice.
func echoSocket(t *testing.T) string {
	t.Helper()
	server := websocket.Server{Handler: func(c *websocket.Conn) {
		var s string
		for websocket.Message.Receive(c, &s) == nil {
			_ = websocket.Message.Send(c, s+s)
		}
	}}
	return backend(t, server.ServeHTTP)
}

func (r *rig) dialSocket(secure bool) *websocket.Conn {
	r.t.Helper()
	plain, tlsAddrs := r.Addrs()
	scheme, addr := "ws", plain[0]
	if secure {
		scheme, addr = "wss", tlsAddrs[0]
	}
	conf, err := websocket.NewConfig(scheme+"://a.test/chat", "http://a.test")
	if err != nil {
		r.t.Fatal(err)
	}
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if secure {
		raw = tlsClient(raw, r)
	}
	c, err := websocket.NewClient(conf, raw)
	if err != nil {
		r.t.Fatalf("WebSocket handshake: %v", err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c *websocket.Conn, s string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if err := websocket.Message.Send(c, s); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := websocket.Message.Receive(c, &got); err != nil || got != s+s {
		t.Fatalf("said %q, heard %q, %v", s, got, err)
	}
}

func TestWebSocketSurvivesSwaps(t *testing.T) {
	r := start(t)
	addr := echoSocket(t)
	r.serve(map[string][]string{"a.test/chat": {addr}})
	plain, secure := r.dialSocket(false), r.dialSocket(true)
	say(t, plain, "before")
	say(t, secure, "before")
	for range 10 {
		r.serve(map[string][]string{"b.test/": {dead(t)}}) // even the route is gone
	}
	say(t, plain, "after")
	say(t, secure, "after")
	if n := r.metric("connections_open"); n != 2 {
		t.Errorf("%v open connections counted, want 2", n)
	}
	_, _ = plain.Close(), secure.Close()
	eventually(t, "the sockets counted as closed", func() bool {
		return r.metric("connections_open") == 0 && r.metric("requests_total", "1xx") == 2 && r.upgraded.Load() == 0
	})
}

func TestNoUpgradeToUnseenRequests(t *testing.T) {
	r := start(t)
	r.serve(map[string][]string{"a.test/": {backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q", r.Header.Get("Upgrade"), r.Header.Get("Http2-Settings"))
	})}})
	req, _ := http.NewRequest(http.MethodGet, "http://a.test/", nil)
	req.Header = http.Header{"Upgrade": {"h2c"}, "Connection": {"Upgrade, HTTP2-Settings"}, "Http2-Settings": {"AAMAAABkAARAAAAA"}}
	res, err := r.client(0, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); string(text) != `"" ""` {
		t.Errorf("the backend is offered h2c: %s", text)
	}
}

// Leaving: new clients are served for the drain time, answers close their
// connections, what was begun is finished, and then nobody is at home.
func TestGracefulEnd(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{}, 1)
	r := start(t, func(o *Options) { o.Drain = 300 * time.Millisecond })
	r.serve(map[string][]string{"a.test/": {named(t, "fast")}, "a.test/slow": {backend(t, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-release
		fmt.Fprint(w, "whole")
	})}, "a.test/chat": {echoSocket(t)}})
	socket := r.dialSocket(false)
	say(t, socket, "hi")
	slow := make(chan string, 1)
	go func() {
		_, body := r.get("http://a.test/slow")
		slow <- body
	}()
	<-began

	r.stop()
	eventually(t, "draining", r.draining.Load)
	for _, h2 := range []bool{false, true} {
		res, err := r.client(0, h2).Get("https://a.test/")
		if err != nil {
			t.Fatalf("a new client is turned away while draining: %v", err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 200 || !h2 && !res.Close {
			t.Errorf("h2 %v: code %d, the connection closes: %v", h2, res.StatusCode, res.Close)
		}
	}
	time.Sleep(400 * time.Millisecond)
	plain, _ := r.Addrs()
	if c, err := net.Dial("tcp", plain[0]); err == nil {
		_ = c.Close()
		t.Error("a new client is accepted after the drain time")
	}
	say(t, socket, "still here")
	close(release)
	if body := <-slow; body != "whole" {
		t.Errorf("the request under way got %q", body)
	}
	_ = socket.Close()
	begin := time.Now()
	r.end()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the end took %v after the last request", took)
	}
}

// What does not end in the grace time is cut.
func TestGraceEnds(t *testing.T) {
	r := start(t, func(o *Options) { o.Grace = 200 * time.Millisecond })
	r.serve(map[string][]string{"a.test/chat": {echoSocket(t)}})
	socket := r.dialSocket(false)
	say(t, socket, "hi")
	begin := time.Now()
	r.end()
	if took := time.Since(begin); took < 150*time.Millisecond || took > time.Second {
		t.Errorf("the end took %v, want about 200ms", took)
	}
	_ = socket.SetDeadline(time.Now().Add(2 * time.Second))
	var s string
	if err := websocket.Message.Receive(socket, &s); err == nil {
		t.Error("the socket is still open")
	}
	if n := r.active.Load(); n != 0 {
		t.Errorf("%d handlers outlived Run", n)
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := New(Options{HTTP: []string{"127.0.0.1:0", l.Addr().String()}})
	if err == nil {
		_ = p.Close()
		t.Fatal("no error")
	}
	if !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "http listener") {
		t.Errorf("the error does not name the listener: %v", err)
	}
}

func TestDualStackWildcard(t *testing.T) {
	r := start(t, func(o *Options) { o.HTTP, o.HTTPS = []string{":0"}, nil })
	r.serve(map[string][]string{"a.test/": {backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Real-Ip")) })}})
	plain, _ := r.Addrs()
	_, port, _ := net.SplitHostPort(plain[0])
	for _, ip := range []string{"127.0.0.1", "::1"} {
		req, _ := http.NewRequest(http.MethodGet, "http://"+net.JoinHostPort(ip, port)+"/", nil)
		req.Host = "a.test"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != ip {
			t.Errorf("client %s is told to the backend as %q", ip, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
