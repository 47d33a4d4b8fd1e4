package engine

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/websocket"
)

// doubling is a WebSocket backend that says everything twice.
func doubling(t *testing.T) string {
	t.Helper()
	server := websocket.Server{Handler: func(c *websocket.Conn) {
		var s string
		for websocket.Message.Receive(c, &s) == nil {
			_ = websocket.Message.Send(c, s+s)
		}
	}}
	return origin(t, server.ServeHTTP)
}

// socket opens a WebSocket.
func (r *rig) socket(addr string, secure bool) *websocket.Conn {
	r.t.Helper()
	conf, err := websocket.NewConfig("ws://a.test/chat", "http://a.test")
	if err != nil {
		r.t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	c, err := websocket.NewClient(conf, conn)
	if err != nil {
		r.t.Fatalf("WebSocket handshake: %v", err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// chat says something and hears it twice.
func chat(t *testing.T, c *websocket.Conn, s string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if err := websocket.Message.Send(c, s); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := websocket.Message.Receive(c, &got); err != nil || got != s+s {
		t.Fatalf("said %q, heard %q, %v", s, got, err)
	}
}

// TestWebSockets: they go on when the configuration has no route to their endpoint any
// more, and at the end for the grace time.
func TestWebSockets(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := start(t, Options{Registerer: reg, Grace: time.Minute})
	addr, _ := r.secured(doubling(t))
	plain, secure := r.socket(r.addr, false), r.socket(addr, true)
	chat(t, plain, "before")
	chat(t, secure, "before")
	for range 10 {
		r.serve(origin(t, http.NotFound))
	}
	chat(t, plain, "after")
	chat(t, secure, "after")
	if open := shown(t, reg, "steelyard_ingress_connections_open"); open["http"] != 1 || open["https"] != 1 {
		t.Errorf("open connections: %v", open)
	}
	r.stop()
	for !r.finishing.Load() {
		time.Sleep(time.Millisecond)
	}
	chat(t, plain, "at the end")
	chat(t, secure, "at the end")
	_, _ = plain.Close(), secure.Close()
	if err := r.ended(); err != nil {
		t.Error(err)
	}
	if open := shown(t, reg, "steelyard_ingress_connections_open"); open["http"] != 0 || open["https"] != 0 {
		t.Errorf("open connections at the end: %v", open)
	}
	if classes := shown(t, reg, "steelyard_ingress_requests_total"); classes["1xx"] != 2 {
		t.Errorf("requests: %v", classes)
	}
}
