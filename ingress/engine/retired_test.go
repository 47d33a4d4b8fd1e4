package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hole is an address that neither takes connections nor refuses them: its queue is full.
func hole(t *testing.T) string {
	t.Helper()
	socket := func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	l := socket()
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(l, 0); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = unix.Connect(socket(), at)
	}
	time.Sleep(10 * time.Millisecond)
	in := at.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String()
}

// TestHole: an endpoint that takes no connection in time.
func TestHole(t *testing.T) {
	r := start(t, Options{Connect: 100 * time.Millisecond}, hole(t))
	if status, body := r.do(client(t), "GET", "/", ""); status != 504 || body != "504 Gateway Timeout: the backend does not accept connections in time\n" {
		t.Errorf("%d %q", status, body)
	}
}

// TestRetiredWhileConnecting: who waits for a connection to an endpoint that is taken
// out, as one is that is gone without a word, goes to another, of the newest Config; and
// hears at once if there is none.
func TestRetiredWhileConnecting(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, HTTP2} {
		for _, to := range []struct {
			name, want string
			pool       Pool
			endpoints  []string
		}{
			{"another", "200 GET /", Pool{Protocol: protocol}, []string{map[Protocol]string{HTTP1: origin(t, echo), HTTP2: origin2(t, echo, nil)}[protocol]}},
			{"nobody", "503 503 S", Pool{}, nil},
		} {
			r := start(t, Options{Connect: time.Hour})
			clients := r.over2()
			clients["http://"+r.addr+"/"] = client(t) // HTTP/1.1
			r.lead(Pool{Protocol: protocol}, hole(t), hole(t), hole(t), hole(t))
			said := make(chan string, len(clients))
			for url, c := range clients {
				go func() {
					res, err := c.Get(url)
					if err != nil {
						said <- err.Error()
						return
					}
					defer res.Body.Close()
					var text [5]byte
					_, _ = res.Body.Read(text[:])
					said <- fmt.Sprintf("%d %s", res.StatusCode, text[:])
				}()
			}
			for r.underWay() < len(clients) {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond) // until they connect
			r.lead(to.pool, to.endpoints...)
			for range clients {
				if got := <-said; got != to.want {
					t.Errorf("HTTP/%d, to %s: %s, want %s", protocol+1, to.name, got, to.want)
				}
			}
		}
	}
}

// underWay counts requests.
func (r *rig) underWay() (n int) {
	r.eachBook(func(b *book) { n += int(b.inFlight.Load()) })
	return n
}
