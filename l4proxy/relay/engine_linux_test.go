package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHeader: the backend learns who the client is and what it connected to, in
// both versions and families, before anything else, and from connections that
// have nothing to say, too.
func TestHeader(t *testing.T) {
	r := newRig(t, Options{})
	heads := make(chan *served, 1)
	serve := func(s *served) {
		heads <- s
		echo(s)
	}
	ids := map[string]bool{}
	for _, version := range []uint8{1, 2} {
		for front, backend := range map[netip.AddrPort]netip.AddrPort{r.front4: r.backend(serve), r.front6: r.backendAt("[::1]:0", serve)} {
			r.apply(version, backend)
			for _, first := range []string{"hello", ""} {
				conn := r.dial(front)
				if first != "" {
					say(t, conn, first)
				}
				got := (<-heads).header
				if got.Src.String() != conn.LocalAddr().String() || got.Dst != front {
					t.Errorf("version %d, %v, %q: %+v, the client is %v", version, front, first, got, conn.LocalAddr())
				}
				if want := (version == 2); (len(got.UniqueID) == 16) != want || ids[got.UniqueID] && want {
					t.Errorf("version %d: ID %x", version, got.UniqueID)
				}
				ids[got.UniqueID] = true
				say(t, conn, "and more")
				conn.Close()
			}
		}
	}
	eventually(t, "all connections ended", func() bool { return r.e.open.Load() == 0 })
}

// TestServerSpeaksFirst, and the client not at all.
func TestServerSpeaksFirst(t *testing.T) {
	r := newRig(t, Options{})
	r.apply(1, r.backend(func(s *served) {
		defer s.Close()
		io.WriteString(s, "220 ready\r\n")
	}))
	got, err := io.ReadAll(r.dial(r.front4))
	if err != nil || string(got) != "220 ready\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestHalfClose: each side may end first, and hear the other to the end.
func TestHalfClose(t *testing.T) {
	r := newRig(t, Options{})
	big := bytes.Repeat([]byte("x"), 3<<20)
	r.apply(2, r.backend(func(s *served) { // answers when the question is complete
		defer s.Close()
		question, err := io.ReadAll(s)
		if err != nil {
			t.Error(err)
		}
		s.Write(append([]byte(fmt.Sprintf("%d: ", len(question))), big...))
	}))
	conn := r.dial(r.front4)
	io.WriteString(conn, "question")
	conn.CloseWrite()
	got, err := io.ReadAll(conn)
	if err != nil || len(got) != 3+len(big) || !bytes.HasPrefix(got, []byte("8: ")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	said := make(chan int64, 1)
	r.apply(2, r.backend(func(s *served) { // ends at once and listens on
		defer s.Close()
		s.CloseWrite()
		n, err := io.Copy(io.Discard, s)
		if err != nil {
			t.Error(err)
		}
		said <- n
	}))
	conn = r.dial(r.front4)
	if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	conn.Write(big)
	conn.CloseWrite()
	if n := <-said; n != int64(len(big)) {
		t.Errorf("%d of %d bytes arrived", n, len(big))
	}
	eventually(t, "both ended", func() bool { return r.e.open.Load() == 0 })
}

// TestBulk: many bytes, both ways at once and past a reader that dawdles, arrive as
// they were sent, and through pipes.
func TestBulk(t *testing.T) {
	r := newRig(t, Options{})
	r.apply(2, r.backend(echo))
	const size = 48 << 20
	var all sync.WaitGroup
	for i := range 3 {
		conn := r.dial(r.front4)
		sent, got := sha256.New(), sha256.New()
		all.Go(func() {
			random := rand.NewChaCha8([32]byte{byte(i)})
			if _, err := io.CopyN(io.MultiWriter(conn, sent), random, size); err != nil {
				t.Error(err)
			}
			conn.CloseWrite()
		})
		all.Go(func() {
			buf := make([]byte, 300<<10)
			for n := 0; ; n++ {
				m, err := conn.Read(buf)
				got.Write(buf[:m])
				if err != nil {
					break
				}
				if n%40 == i {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
		defer func() {
			if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
				t.Errorf("connection %d: other bytes came back", i)
			}
		}()
	}
	all.Wait()
	eventually(t, "all ended", func() bool { return r.e.open.Load() == 0 })
	r.end()
	if up, down := r.e.fromBytes.Load(), r.e.toBytes.Load(); down != 3*size || up < 3*size || up > 3*size+3*200 {
		t.Errorf("%d bytes up, %d down", up, down)
	}
}

// TestResets: what one side breaks off is broken off for the other.
func TestResets(t *testing.T) {
	r := newRig(t, Options{})
	ends := make(chan *served, 1)
	r.apply(2, r.backend(func(s *served) { ends <- s }))
	conn := r.dial(r.front4)
	s := <-ends
	conn.SetLinger(0)
	conn.Close()
	gone(t, s.TCPConn, "the backend of a client that reset")
	s.Close()
	conn = r.dial(r.front4)
	s = <-ends
	s.SetLinger(0)
	s.Close()
	gone(t, conn, "the client of a backend that reset")
	eventually(t, "both ended", func() bool { return r.e.open.Load() == 0 })
}

// TestAnotherBackend: one that refuses, or does not answer, is passed over; when
// none is left the client is told at once.
func TestAnotherBackend(t *testing.T) {
	r := newRig(t, Options{Connect: 300 * time.Millisecond})
	_, closed := bound(t)
	r.apply(2, closed, r.backend(echo))
	for range 40 {
		conn := r.dial(r.front4)
		say(t, conn, "hello")
		conn.Close()
	}
	if n := r.e.attempts.Load(); n == 0 || n > 40 {
		t.Errorf("%d attempts failed", n)
	}
	r.apply(2, silent(t), r.backend(echo))
	begin := time.Now()
	for range 8 {
		conn := r.dial(r.front4)
		say(t, conn, "hello")
		conn.Close()
	}
	if d := time.Since(begin); d < 300*time.Millisecond || d > 8*time.Second {
		t.Errorf("eight connections past a silent backend took %v", d)
	}
	r.apply(2, closed)
	r.refused(r.front4, "no backend")
	if r.e.failed.Load() != 1 {
		t.Errorf("%d given up", r.e.failed.Load())
	}
}

// bound is a socket that does not listen, so that its address refuses, and stays
// its own.
func bound(t *testing.T) (fd int, addr netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(sa.(*unix.SockaddrInet4).Port))
}

// silent is the address of a socket whose backlog is full, so that the kernel
// answers no SYN.
func silent(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, addr := bound(t)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		conn, err := net.DialTimeout("tcp", addr.String(), 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the kernel takes connections beyond a backlog of 0")
	return addr
}

// TestLimits: silence is ended, a connection that speaks is not; too many wait for
// their turn; before there is a table all do.
func TestLimits(t *testing.T) {
	r := newRig(t, Options{Idle: 400 * time.Millisecond, Connections: 2, Loops: 2})
	early := r.dial(r.front4)
	io.WriteString(early, "early")
	time.Sleep(50 * time.Millisecond)
	r.apply(2, r.backend(echo))
	got := make([]byte, 5)
	if _, err := io.ReadFull(early, got); err != nil || string(got) != "early" {
		t.Fatalf("%q, %v", got, err)
	}
	quiet := r.dial(r.front4)
	say(t, quiet, "one word")
	third := r.dial(r.front4)
	io.WriteString(third, "third")
	third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := third.Read(got); err == nil {
		t.Error("a third connection is served")
	}
	for range 10 {
		time.Sleep(100 * time.Millisecond)
		say(t, early, "alive")
	}
	gone(t, quiet, "a connection that says nothing")
	third.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(third, got); err != nil || string(got) != "third" {
		t.Errorf("the third: %q, %v", got, err)
	}
	if n := r.e.idle.Load(); n < 1 || n > 2 || r.e.full.Load() == 0 { // the third may be silent for as long by now
		t.Errorf("%d idle, %d times full", r.e.idle.Load(), r.e.full.Load())
	}
	if _, err := New(Options{Connections: 1 << 30}); err == nil {
		t.Error("more connections than files")
	}
}

// TestOtherTable: a backend that is gone takes its connections along; one that
// drains keeps them, and so does a frontend that is gone. A frontend that is
// unknown is refused.
func TestOtherTable(t *testing.T) {
	r := newRig(t, Options{})
	first, second := r.backend(echo), r.backend(echo)
	r.apply(2, first)
	conn := r.dial(r.front4)
	say(t, conn, "hello")
	r.applyGroup(2, Group{Backends: []netip.AddrPort{second}, Draining: []netip.AddrPort{first}})
	say(t, conn, "still here")
	if err := r.e.Apply(Config{}); err != nil {
		t.Fatal(err)
	}
	say(t, conn, "still here")
	r.refused(r.front4, "no frontend")
	r.apply(2, second)
	gone(t, conn, "a backend that is none any more")
	if r.e.orphaned.Load() != 1 || r.e.unknown.Load() != 1 {
		t.Errorf("%d orphaned, %d unknown", r.e.orphaned.Load(), r.e.unknown.Load())
	}
	one := 1
	for _, bad := range []Config{
		{Frontends: []Frontend{{Addr: first, ProxyProtocol: 2, Group: &one}}},
		{Frontends: []Frontend{{Addr: first, ProxyProtocol: 3}}},
		{Frontends: []Frontend{{Addr: first, ProxyProtocol: 2, Group: new(int)}}, Groups: []Group{{}}},
		{Frontends: []Frontend{{Addr: first, ProxyProtocol: 2, Group: new(int)}}, Groups: []Group{{Backends: []netip.AddrPort{{}}}}},
	} {
		if r.e.Apply(bad) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	say(t, r.dial(r.front4), "the table before counts")
}

// TestOnlyDraining: where all backends drain, those who are connected go on, and
// new clients are refused.
func TestOnlyDraining(t *testing.T) {
	r := newRig(t, Options{})
	last := r.backend(echo)
	r.apply(2, last)
	conn := r.dial(r.front4)
	say(t, conn, "hello")
	r.applyGroup(2, Group{Draining: []netip.AddrPort{last}})
	r.refused(r.front4, "a new client")
	say(t, conn, "still here")
}

// TestOtherTableWhileConnecting: a client that waits for a backend which is none
// any more does not go on waiting, nor does it get that one.
func TestOtherTableWhileConnecting(t *testing.T) {
	r := newRig(t, Options{Connect: 15 * time.Second})
	r.apply(2, silent(t))
	conn := r.dial(r.front4)
	eventually(t, "it is accepted", func() bool { return r.e.open.Load() == 1 })
	r.apply(2, r.backend(echo))
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	say(t, conn, "hello")
	r.apply(2, silent(t))
	gone(t, conn, "a backend that is none any more")
	conn = r.dial(r.front4)
	eventually(t, "it is accepted", func() bool { return r.e.accepted.Load() == 2 })
	r.applyGroup(2, Group{Draining: []netip.AddrPort{r.front6}})
	gone(t, conn, "no backend is left")
}

// TestTablesInARow: a worker that comes late to a table, when there is a newer one
// already, ends nothing that it led by that one.
func TestTablesInARow(t *testing.T) {
	r := newRig(t, Options{Loops: 1})
	busy := make(chan struct{})
	r.e.workers[0].loop.Post(func() { <-busy })
	r.apply(2, r.front4) // nothing but a circle
	r.apply(2, r.backend(echo))
	conn := r.dial(r.front4)
	close(busy)
	say(t, conn, "hello")
}

// TestCircle: a backend whose connections come back to the relay is passed over.
func TestCircle(t *testing.T) {
	r := newRig(t, Options{Connections: 30})
	r.apply(2, r.front4, r.front6)
	r.refused(r.front4, "nothing but circles")
	if n := r.e.accepted.Load(); n != 1 {
		t.Errorf("%d connections for one", n)
	}
	r.apply(2, r.front4, r.backend(echo))
	for range 20 {
		say(t, r.dial(r.front4), "hello")
	}
}

// TestUrgentData: what follows urgent data is not held up by them, be there little
// before them or what goes through a pipe.
func TestUrgentData(t *testing.T) {
	for _, size := range []int{0, 100, 20 << 10, 90 << 10} {
		r := newRig(t, Options{})
		conn := r.dial(r.front4) // waits until all is in the kernel
		text := bytes.Repeat([]byte("x"), size)
		conn.Write(text)
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "tail")
		time.Sleep(50 * time.Millisecond)
		r.apply(2, r.backend(echo))
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		got := make([]byte, size+4)
		if n, err := io.ReadFull(conn, got); err != nil || string(got) != string(text)+"tail" {
			t.Errorf("%d bytes, urgent data, and a tail: %d bytes came back, %v", size, n, err)
		}
		conn.Close()
		r.end()
	}
}

// TestOneTurn: a connection with more to move than goes at once has one turn of the
// next round, whatever happens to it meanwhile.
func TestOneTurn(t *testing.T) {
	w, err := newWorker(&Engine{o: Options{Idle: time.Hour}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	from, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) // one message a read
	if err != nil {
		t.Fatal(err)
	}
	to, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(from[1])
	defer unix.Close(to[1])
	for range 10 * turns {
		if _, err := unix.Write(from[1], []byte("m")); err != nil {
			t.Fatal(err)
		}
	}
	c := &conn{w: w, open: true}
	c.client = end{c: c, fd: from[0], readable: true, over: true}
	c.server = end{c: c, fd: to[0], writable: true}
	c.up, c.down = flow{w: w, from: &c.client, to: &c.server}, flow{w: w, from: &c.server, to: &c.client}
	w.conns[c] = struct{}{}
	for range 3 {
		c.server.Ready(0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.loop.Post(cancel) // after one round
	if err := w.loop.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if c.up.moved != 4*turns {
		t.Errorf("%d messages in three turns and one round, %d a turn", c.up.moved, turns)
	}
}

// TestSamePick: the relay chooses as the kernel does, by address and port or by
// address alone.
func TestSamePick(t *testing.T) {
	g := Group{}
	for i := range byte(5) {
		g.Backends = append(g.Backends, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 80))
	}
	counts := map[netip.AddrPort]int{}
	for port := range uint16(2000) {
		client := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), 1024+port)
		first, ok := newGroup(g).pick(client, nil)
		next, ok2 := newGroup(g).pick(client, []netip.AddrPort{first})
		if !ok || !ok2 || first == next {
			t.Fatalf("%v, then %v", first, next)
		}
		counts[first]++
		if port > 200 {
			break
		}
	}
	if len(counts) != 5 {
		t.Errorf("only %d of 5 backends are used", len(counts))
	}
	g.Affinity = true
	a, _ := newGroup(g).pick(netip.MustParseAddrPort("203.0.113.7:1"), nil)
	b, _ := newGroup(g).pick(netip.MustParseAddrPort("203.0.113.7:2"), nil)
	if a != b {
		t.Error("the client's port counts")
	}
	if _, ok := newGroup(g).pick(netip.MustParseAddrPort("203.0.113.7:1"), g.Backends); ok {
		t.Error("a sixth backend")
	}
}

// TestDrainResetsNobody: while clients connect as fast as they can, the engine is
// told to end. Whoever was accepted is served, those that are open go on, and the
// limit ends the rest.
func TestDrainResetsNobody(t *testing.T) {
	r := newRig(t, Options{Drain: 3 * time.Second})
	r.apply(2, r.backend(echo))
	open := r.dial(r.front4)
	say(t, open, "before")
	var served, refused, bad atomic.Int64
	var all sync.WaitGroup
	ending := make(chan struct{})
	for range 8 {
		all.Go(func() {
			for {
				conn, err := net.DialTimeout("tcp", r.front4.String(), 500*time.Millisecond)
				if err != nil {
					refused.Add(1)
					select {
					case <-ending:
						return
					case <-time.After(10 * time.Millisecond):
						continue
					}
				}
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				fmt.Fprint(conn, "ping")
				got := make([]byte, 4)
				if _, err := io.ReadFull(conn, got); err != nil {
					bad.Add(1)
					t.Errorf("accepted and not served: %v", err)
				}
				served.Add(1)
				conn.Close()
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	before := served.Load()
	r.stop()
	eventually(t, "it says that it drains", func() bool { return r.e.draining.Load() })
	time.Sleep(noticeTime + handshakeTime + 200*time.Millisecond)
	close(ending)
	say(t, open, "after")
	begin := time.Now()
	gone(t, open, "the limit of draining")
	all.Wait()
	r.end()
	if before == 0 || refused.Load() == 0 || bad.Load() > 0 {
		t.Errorf("%d served before, %d after, %d turned away, %d reset", before, served.Load()-before, refused.Load(), bad.Load())
	}
	if time.Since(begin) > 4*time.Second {
		t.Error("the limit of draining is not kept")
	}
}

// TestBytesStayWithTheirConnection: under chaos (sizes from one byte to what goes
// through pipes, sides that break off at any moment) each connection gets its own
// bytes and no others, and nothing is left over: no file, no connection.
func TestBytesStayWithTheirConnection(t *testing.T) {
	before := files(t)
	t.Run("chaos", func(t *testing.T) {
		r := newRig(t, Options{})
		r.apply(2, r.backend(func(s *served) {
			defer s.Close()
			if s.header.Src.Port()%5 == 0 { // breaks off in the middle
				io.CopyN(s.TCPConn, s.in, int64(s.header.Src.Port())*16)
				s.SetLinger(0)
				return
			}
			echo(s)
		}))
		var all sync.WaitGroup
		var whole atomic.Int64
		for client := range 24 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(client), 1))
				for exchange := range 60 {
					conn, err := net.Dial("tcp", r.front4.String())
					if err != nil {
						t.Error(err)
						return
					}
					conn.SetDeadline(time.Now().Add(20 * time.Second))
					tag := []byte(fmt.Sprintf("<%d/%d>", client, exchange))
					size := 1 << random.IntN(21)
					text := bytes.Repeat(tag, size/len(tag)+1)
					go conn.Write(text)
					if random.IntN(4) == 0 {
						text = text[:len(text)/3]
						conn.(*net.TCPConn).SetLinger(0)
					}
					got := make([]byte, len(text))
					n, err := io.ReadFull(conn, got)
					if !bytes.Equal(got[:n], text[:n]) {
						t.Errorf("%s: other bytes came back", tag)
					}
					if err == nil {
						whole.Add(1)
					}
					conn.Close()
				}
			})
		}
		all.Wait()
		eventually(t, "all connections ended", func() bool { return r.e.open.Load() == 0 })
		if whole.Load() < 24*60/2 {
			t.Errorf("only %d exchanges were whole", whole.Load())
		}
	})
	eventually(t, "all files are closed", func() bool { return files(t) <= before })
}

func files(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
