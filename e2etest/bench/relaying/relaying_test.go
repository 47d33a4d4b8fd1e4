package relaying

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// forward is the slowest proxy there is: it sends a header and copies.
func forward(t *testing.T, to, header string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer server.Close()
				server.(*net.TCPConn).SetLinger(0) // no port is kept waiting
				io.WriteString(server, header)
				go func() {
					io.Copy(server, client)
					server.Close() // or each client that went would leave two files open
				}()
				io.Copy(client, server)
			}()
		}
	}()
	return l.Addr().String()
}

// TestEveryKindIsCounted, through a proxy that sends the header of either version;
// where none comes nothing is.
func TestEveryKindIsCounted(t *testing.T) {
	second := func() func() (time.Duration, error) {
		used := time.Duration(0)
		return func() (time.Duration, error) { used += time.Second; return used, nil }
	}
	for _, header := range []string{"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + strings.Repeat("x", 12), ""} {
		for k, b := range map[kind]backend{conns: echo, asks: echo, bulk: source} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go serve(l, b)
			load := load{kind: k, addr: forward(t, l.Addr().String(), header)}
			rate, err := load.measure(t.Context(), 50*time.Millisecond, 200*time.Millisecond, second())
			switch {
			case header == "" && err == nil:
				t.Errorf("%s: %v are counted without a header", k, rate)
			case header != "" && (err != nil || rate < 10):
				t.Errorf("%s with %.6q: %v, %v", k, header, rate, err)
			}
			l.Close()
		}
	}
}

func TestSkipHeader(t *testing.T) {
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x\r\n", strings.Repeat("?", messageSize)} {
		if err := skipHeader(bufio.NewReader(strings.NewReader(text))); !errors.Is(err, errNoHeader) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAProxyThatIsNotThere is told of with its log.
func TestAProxyThatIsNotThere(t *testing.T) {
	p, err := start(t.TempDir(), "none", "127.0.0.1:1", "127.0.0.1:1", "/bin/sh", "-c", "echo out of order")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	err = bench.Await(t.Context(), 20*time.Second, time.Millisecond, func() error {
		if p.Tail() == "" {
			return errors.New("it says nothing")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if err := p.await(ctx, conns); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("%v", err)
	}
}
