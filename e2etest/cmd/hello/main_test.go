package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// freePort asks the kernel for a port nobody uses.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAnswersAndLeaves(t *testing.T) {
	a := &app{pod: "web-1", node: "n1"}
	o := options{http: freePort(t), tcp: freePort(t), udp: freePort(t), lameDuck: 300 * time.Millisecond}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx, o) }()

	want := "hello from web-1 on n1\nclient 127.0.0.1\n"
	body := func(path string) (int, string) {
		for range 100 {
			resp, err := http.Get("http://" + o.http + path)
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			defer resp.Body.Close()
			data, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(data)
		}
		return 0, ""
	}
	if _, got := body("/some"); !strings.HasPrefix(got, want) || !strings.Contains(got, "path /some") {
		t.Errorf("HTTP answered %q", got)
	}
	for _, network := range []string{"tcp", "udp"} {
		addr := map[string]string{"tcp": o.tcp, "udp": o.udp}[network]
		if got := echo(t, network, addr); got != want+"ping" {
			t.Errorf("%s answered %q", network, got)
		}
	}
	cancel()
	time.Sleep(50 * time.Millisecond)
	if code, _ := body("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readiness while leaving: %d", code)
	}
	if code, _ := body("/"); code != http.StatusOK {
		t.Errorf("a lame duck must still serve, got %d", code)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func echo(t *testing.T, network, addr string) string {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprint(conn, "ping")
	var got string
	buf := make([]byte, 1024)
	for !strings.Contains(got, "ping") {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	return got
}

// TestProxied: the client is who the header names, in both versions, and who has
// none is hung up on.
func TestProxied(t *testing.T) {
	a := &app{pod: "web-1", node: "n1"}
	o := options{http: freePort(t), proxy: freePort(t)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx, o) }()
	for header, client := range map[string]string{
		"PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n":                                                                 "client 192.0.2.7\n",
		"PROXY TCP6 2001:db8::7 2001:db8::1 1234 80\r\n":                                                             "client 2001:db8::7\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x11\xc0\x00\x02\x07\xc0\x00\x02\x01\x04\xd2\x00\x50\x05\x00\x02id":       "client 192.0.2.7\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24" + strings.Repeat("\x20\x01"+strings.Repeat("\x00", 14), 2) + "abcd": "client 2001::\n",
		"": "",
		"PROXY TCP4 2001:db8::7 192.0.2.1 1234 80\r\n": "",
	} {
		var got []byte
		for range 100 {
			conn, err := net.Dial("tcp", o.proxy)
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "%sGET / HTTP/1.0\r\n\r\n", header)
			got, _ = io.ReadAll(conn)
			conn.Close()
			break
		}
		if !strings.Contains(string(got), "hello from web-1") != (client == "") || !strings.Contains(string(got), client) {
			t.Errorf("%q: answered %q, want %q", header, got, client)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
