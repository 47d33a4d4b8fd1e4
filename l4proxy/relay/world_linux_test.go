package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/l4proxy/relay/proxyproto"
)

// rig is an engine on the loopback interface. Connections are not translated, so
// that its frontends have the port that it listens at.
type rig struct {
	t      *testing.T
	e      *Engine
	front4 netip.AddrPort
	front6 netip.AddrPort
	stop   context.CancelFunc // begins to drain
	ended  chan error
	once   sync.Once
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	o.Port = freePort(t)
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{t: t, e: e, stop: cancel, ended: make(chan error, 1),
		front4: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), o.Port), front6: netip.AddrPortFrom(netip.IPv6Loopback(), o.Port)}
	go func() { r.ended <- e.Run(ctx) }()
	t.Cleanup(r.end)
	<-e.Updates() // it listens
	return r
}

// end stops the engine and waits for that.
func (r *rig) end() {
	r.once.Do(func() {
		r.stop()
		select {
		case err := <-r.ended:
			if err != nil {
				r.t.Error(err)
			}
		case <-time.After(20 * time.Second):
			r.t.Error("the engine does not end")
		}
	})
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// apply makes backends those of both frontends.
func (r *rig) apply(version uint8, backends ...netip.AddrPort) {
	r.t.Helper()
	r.applyGroup(version, Group{Backends: backends})
}

func (r *rig) applyGroup(version uint8, g Group) {
	r.t.Helper()
	zero := 0
	c := Config{Digest: fmt.Sprint(version, g), Groups: []Group{g}}
	for _, front := range []netip.AddrPort{r.front4, r.front6} {
		c.Frontends = append(c.Frontends, Frontend{Addr: front, ProxyProtocol: version, Group: &zero})
	}
	if err := r.e.Apply(c); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) dial(front netip.AddrPort) *net.TCPConn {
	r.t.Helper()
	conn, err := net.Dial("tcp", front.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn.(*net.TCPConn)
}

// served is a connection at a backend, behind its header.
type served struct {
	*net.TCPConn
	in     *bufio.Reader
	header proxyproto.Header
}

func (s *served) Read(b []byte) (int, error) { return s.in.Read(b) }

// backend serves each connection with fn, which closes it.
func (r *rig) backend(fn func(*served)) netip.AddrPort { return r.backendAt("127.0.0.1:0", fn) }

func (r *rig) backendAt(addr string, fn func(*served)) netip.AddrPort {
	r.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				s, err := readHeader(conn.(*net.TCPConn))
				if err != nil {
					if !errors.Is(err, io.EOF) && !reset(err) {
						r.t.Errorf("header: %v", err)
					}
					conn.Close()
					return
				}
				fn(s)
			})
		}
	})
	r.t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// readHeader reads byte by byte: what is behind the header is not its business.
func readHeader(conn *net.TCPConn) (*served, error) {
	s := &served{TCPConn: conn, in: bufio.NewReaderSize(conn, 16<<10)}
	for n := 1; ; n++ {
		b, err := s.in.Peek(n)
		if err != nil {
			return nil, err
		}
		h, size, err := proxyproto.Parse(b)
		if errors.Is(err, proxyproto.ErrShort) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.header = h
		_, err = s.in.Discard(size)
		return s, err
	}
}

// echo sends back what comes, and ends when that does.
func echo(s *served) {
	defer s.Close()
	if _, err := io.Copy(s.TCPConn, s.in); err == nil {
		s.CloseWrite()
	}
}

// reset tells whether a connection ended in disorder.
func reset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// refused is a connection to a frontend that is reset, be it before its client
// knows that it was made.
func (r *rig) refused(front netip.AddrPort, what string) {
	r.t.Helper()
	conn, err := net.Dial("tcp", front.String())
	switch {
	case err == nil:
		defer conn.Close()
		gone(r.t, conn, what)
	case !reset(err):
		r.t.Errorf("%s: %v, not a reset", what, err)
	}
}

// gone waits until conn is reset.
func gone(t *testing.T, conn net.Conn, what string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !reset(err) {
		t.Errorf("%s: %v, not a reset", what, err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// say writes text and reads as much back.
func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("%q came back, %v", got, err)
	}
}
