package engine

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLargeBodies: large bodies arrive byte by byte as they were sent, both ways at
// once, at readers that are slower than we are, while others break off in the middle.
func TestLargeBodies(t *testing.T) {
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Length", r.Header.Get("Content-Length"))
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r.Body}, make([]byte, 20_000))
	}))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			size := 7<<20 + rand.IntN(1<<20)
			body := bytes.Repeat([]byte(fmt.Sprintf("[%d sends this]", i)), size/14+1)[:size]
			go func() {
				_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size)
				_, _ = c.Write(body)
			}()
			if i%4 == 3 {
				_, _ = io.CopyN(io.Discard, c, 1<<20)
				_ = c.(*net.TCPConn).SetLinger(0)
				return
			}
			first := make([]byte, 1<<20)
			_, _ = io.ReadFull(c, first)
			time.Sleep(200 * time.Millisecond) // until nobody on the way has room for more
			b, err := io.ReadAll(io.MultiReader(bytes.NewReader(first), c))
			head, answer, _ := bytes.Cut(b, []byte("\r\n\r\n"))
			if err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || !bytes.Equal(answer, body) {
				t.Errorf("%d: %.40q, %d of %d bytes, %v", i, head, len(answer), size, err)
			}
		})
	}
	all.Wait()
}

// TestUrgentData: a byte that a client sends as urgent (RFC 6093) is no part of its
// body, and does not hold it up.
func TestUrgentData(t *testing.T) {
	r := start(t, Options{}, origin(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%d bytes", n)
	}))
	const size, pieces = 2 << 20, 8
	conn := dial(t, r.addr)
	conn.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for range pieces {
		if err := raw.Control(func(fd uintptr) { _ = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB|unix.MSG_DONTWAIT, nil) }); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(make([]byte, size/pieces))
	}
	if status, body, _ := conn.hears("POST"); status != 200 || body != fmt.Sprintf("%d bytes", size) {
		t.Errorf("heard %d %q", status, body)
	}
}
