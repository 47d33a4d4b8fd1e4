package engine

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

const browserAsks = "GET /shop/cart?item=1 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.5\r\nCookie: session=0123456789abcdef\r\n\r\n"

// constant is an origin that answers every head with the same bytes, and makes no
// garbage.
func constant(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go repeat(c, []byte(answer))
		}
	}()
	return l.Addr().String()
}

func repeat(c net.Conn, answer []byte) {
	defer c.Close()
	in, n := make([]byte, 8<<10), 0
	for {
		m, err := c.Read(in[n:])
		if err != nil {
			return
		}
		if n += m; bytes.HasSuffix(in[:n], []byte("\r\n\r\n")) {
			n = 0
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

// browser is a client that sends what a browser does, and makes no garbage either.
func browser(t testing.TB, addr string, size int) (ask func()) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	question, answer := []byte(browserAsks), make([]byte, size)
	return func() {
		if _, err := c.Write(question); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Fatal(err)
		}
	}
}

// page is an answer of 1 KiB, and how long it is when it was passed on.
func page() (answer string, size int) {
	answer = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024)
	return answer, len(answer)
}

// TestNoAllocations: loops make no garbage of a request on connections that are open.
func TestNoAllocations(t *testing.T) {
	answer, size := page()
	ask := browser(t, start(t, Options{Driver: Loops}, constant(t, answer)).addr, size)
	for range 100 {
		ask() // until there is all the memory that it takes
	}
	if n := testing.AllocsPerRun(1000, ask); n != 0 {
		t.Errorf("%v allocations for each request", n)
	}
}

// BenchmarkRequest is one request after the other, of a browser, with client and
// backend in the same process.
func BenchmarkRequest(b *testing.B) {
	b.Run(string(driver), func(b *testing.B) {
		answer, size := page()
		ask := browser(b, start(b, Options{}, constant(b, answer)).addr, size)
		for range 100 {
			ask()
		}
		b.ReportAllocs()
		for b.Loop() {
			ask()
		}
	})
}

// TestIdleConnections: an idle connection of a loop takes less than 1 KiB.
func TestIdleConnections(t *testing.T) {
	const conns = 500
	answer, size := page()
	r := start(t, Options{Driver: Loops}, constant(t, answer))
	addr := netip.MustParseAddrPort(r.addr)
	got, fds := make([]byte, size), make([]int, 0, conns+1)
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	// begin opens a connection that takes no memory of this side but its socket, and
	// asks once.
	begin := func() {
		fd, errno := poll.Dial(addr)
		if errno != 0 {
			t.Fatal(errno)
		}
		fds = append(fds, fd)
		await(t, fd, unix.POLLOUT)
		if n, errno := poll.Send(fd, []byte(browserAsks)); n != len(browserAsks) || errno != 0 {
			t.Fatal(n, errno)
		}
		for n := 0; n < size; {
			await(t, fd, unix.POLLIN)
			m, errno := poll.Read(fd, got[n:])
			if errno != 0 || m == 0 {
				t.Fatal(m, errno)
			}
			n += m
		}
	}
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	begin()
	before := used()
	for range conns {
		begin()
	}
	if each := (int64(used()) - int64(before)) / conns; each > 1<<10 {
		t.Errorf("%d bytes for each idle connection", each)
	}
}

// await waits for a socket to be ready.
func await(t *testing.T, fd int, events int16) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, 60_000)
		switch {
		case err == unix.EINTR:
		case n != 1 || err != nil:
			t.Fatal("the socket does not become ready", err)
		default:
			return
		}
	}
}
