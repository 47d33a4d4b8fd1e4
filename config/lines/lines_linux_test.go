package lines

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair are a server that answers each number with its double, and a client that
// wants the answers to those it was given.
type pair struct {
	t     *testing.T
	path  string
	ask   chan int
	begun chan struct{} // takes one for each attempt
	heard chan int
	lost  chan error
}

func newPair(t *testing.T, path string) *pair {
	t.Helper()
	p := &pair{t: t, path: path, ask: make(chan int, 1), begun: make(chan struct{}, 1000), heard: make(chan int, 1000), lost: make(chan error, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		Talk(ctx, Server{Path: p.path, Name: "the doubler", Protocol: 7, Size: 1000, Silence: time.Second}, Conversation[int, int]{
			Begin: func() { p.begun <- struct{}{} }, Out: p.ask, Heard: func(n int) { p.heard <- n }, Lost: func(err error) { p.lost <- err },
		})
	})
	t.Cleanup(func() { cancel(); all.Wait() })
	return p
}

// hears waits for a number.
func (p *pair) hears(want int) {
	p.t.Helper()
	select {
	case got := <-p.heard:
		if got != want {
			p.t.Fatalf("heard %d, want %d", got, want)
		}
	case <-time.After(20 * time.Second):
		p.t.Fatalf("nothing was heard, want %d", want)
	}
}

// loses waits until something with words in it is told to be lost.
func (p *pair) loses(words string) {
	p.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case err := <-p.lost:
			if strings.Contains(err.Error(), words) {
				return
			}
		case <-late:
			p.t.Fatalf("nothing was lost for %q", words)
		}
	}
}

// double serves l until the test or its end.
func double(t *testing.T, l net.Listener) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		err := Serve(ctx, l, 7, func(ctx context.Context, conn net.Conn) {
			out := make(chan int, 1)
			err := Exchange(ctx, conn, NewReader(conn, 1000, 0), func(n int) error {
				if n < 0 {
					return errors.New("less than nothing")
				}
				out <- 2 * n
				return nil
			}, out)
			if err == nil {
				t.Error("the end of a conversation has no reason")
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	end = func() { cancel(); all.Wait() }
	t.Cleanup(end)
	return end
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestTalk: both say what they have; a server that goes and comes back is told of
// and reached again.
func TestTalk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	p := newPair(t, path)
	p.loses("reach the doubler")
	for i := range 3 {
		end := double(t, listen(t, path))
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("others may connect: %v, %v", info, err)
		}
		p.ask <- i
		p.hears(2 * i)
		p.ask <- 21
		p.hears(42)
		end()
		p.loses("EOF")
	}
	if len(p.begun) < 4 {
		t.Errorf("%d attempts were announced", len(p.begun))
	}
}

// TestServersThatAreNone: one that hangs and one of another version are told of,
// are given no orders, and the next one is used.
func TestServersThatAreNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	p := newPair(t, path)
	p.ask <- 4
	for what, words := range map[string]string{"": "nothing was said for 1s", "{\"Protocol\":8}\n": "another version, protocol 8 and not 7"} {
		l := listen(t, path)
		var conns sync.WaitGroup
		conns.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conns.Go(func() {
					defer conn.Close()
					_, _ = io.WriteString(conn, what)
					if n, _ := io.Copy(io.Discard, conn); n > 0 {
						t.Errorf("%q: orders were given", what)
					}
				})
			}
		})
		p.loses(words)
		l.Close()
		conns.Wait()
	}
	double(t, listen(t, path))
	p.hears(8)
}

// TestTheLastCounts: who comes takes the place of the one that is there.
func TestTheLastCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	double(t, listen(t, path))
	first := newPair(t, path)
	first.ask <- 1
	first.hears(2)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first.loses("the doubler")
	first.ask <- 3 // it came again, and is the last now
	first.hears(6)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("two are served")
	}
}

// TestOneThatIsSilent is no way to keep others out, nor the server from ending.
func TestOneThatIsSilent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	l := listen(t, path)
	go func() {
		ended <- Serve(ctx, l, 7, func(_ context.Context, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	}()
	for range 2 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var met greeting
		if err := NewReader(conn, 1000, 10*time.Second).Next(&met); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server goes on")
	}
}

// TestNonsense ends a conversation, and no other.
func TestNonsense(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	double(t, listen(t, path))
	for _, nonsense := range []string{"nonsense\n", "{}\n", "-1\n", strings.Repeat(" ", 1001)} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, nonsense); err != nil {
			t.Error(err)
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q is listened to", nonsense)
		}
		conn.Close()
	}
	p := newPair(t, path)
	p.ask <- 5
	p.hears(10)
}

// scarce is a listener that has no files for the first connections.
type scarce struct {
	net.Listener
	fails int
}

func (s *scarce) Accept() (net.Conn, error) {
	if s.fails--; s.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", unix.EMFILE)}
	}
	return s.Listener.Accept()
}

// TestNoFiles: who comes is heard when there are some again; the server does not
// end for that.
func TestNoFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	double(t, &scarce{listen(t, path), 2})
	p := newPair(t, path)
	p.ask <- 2
	p.hears(4)
}

func TestListenWhereSomethingElseIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("a file that is no socket is taken")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}
