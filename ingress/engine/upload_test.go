package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// answersAt is an origin for one connection that says answer when it has read a
// head, and reads on for as long as something comes.
func answersAt(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		_, _ = io.Copy(io.Discard, in)
	}()
	return l.Addr().String()
}

// TestUploadNobodyNeeds: the connection of a client that sends without end is
// closed after the answer, however fast it sends.
func TestUploadNobodyNeeds(t *testing.T) {
	r := start(t, Options{})
	r.Apply(Config{Router: toAll{}, Pools: []Pool{{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(answersAt(t, ok))}}}})
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	piece := []byte(fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat("x", 64<<10)))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for err := error(nil); err == nil; {
			_, err = conn.Write(piece)
		}
	}()
	if status, body, res := conn.hears("POST"); status != 200 || body != "ok" || !res.Close {
		t.Errorf("%d %q, closing: %t", status, body, res.Close)
	}
	conn.isClosed()
	_ = conn.Close()
	<-sent
}

// TestTimeAfterUpload: the time that a backend has to answer begins when it has
// all of the request, although more than that passed since it spoke last.
func TestTimeAfterUpload(t *testing.T) {
	client, _ := pair(t)
	to, origin := pair(t)
	upload := make(chan error, 1)
	e := &Engine{opts: Options{}.withDefaults(), room: largeBuffer}
	c, b := &conn{TCPConn: client, asker: asker{proto: "http"}, e: e}, &backend{TCPConn: to, wire: to}
	x := &exchange{work: new(work), c: c, client: c, backend: b, upload: upload, deadline: past, led: led{opts: &e.opts}}
	b.x = x
	upload <- nil
	over := make(chan error)
	go func() {
		_, err := x.more()
		over <- err
	}()
	for len(upload) > 0 { // until it was looked at
		time.Sleep(time.Millisecond)
	}
	_, _ = io.WriteString(origin, "H")
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// pair is a connection, seen from both sides.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a = dial(t, l.Addr().String()).TCPConn
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return a, c.(*net.TCPConn)
}

// TestHalfARequest: a client that ends its side in the middle of a body does not
// take what it has of an answer for all, were it by its end that the answer ends.
func TestHalfARequest(t *testing.T) {
	r := start(t, Options{}, answersAt(t, "HTTP/1.1 200 OK\r\n\r\nhalf"))
	conn := dial(t, r.addr)
	conn.say("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nh")
	res, err := http.ReadResponse(conn.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, len("half"))); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	if rest, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("the answer ends in order, after %q", rest)
	}
}

// TestLargeBodyIsRefused: a client that sends much more than is allowed, and looks
// for an answer only then, finds the refusal.
func TestLargeBodyIsRefused(t *testing.T) {
	r := start(t, Options{})
	r.Apply(Config{Router: toAll{}, Pools: []Pool{{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(origin(t, echo))}}}, MaxBody: 1 << 20})
	conn := dial(t, r.addr)
	const size = 12 << 20 // more than sockets hold
	conn.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	if n, err := io.CopyN(conn, zeros{}, size); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if status, _, _ := conn.hears("POST"); status != 413 {
		t.Errorf("heard %d and not 413", status)
	}
}

// zeros are endless.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
