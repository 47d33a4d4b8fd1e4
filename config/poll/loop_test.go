package poll

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// run makes a loop run until the test ends.
func run(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// do has f called by the loop, and waits.
func do(t *testing.T, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(func() { f(); close(done) })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("what was posted is not called")
	}
}

func pair(t *testing.T) (mine, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// echo writes back what it reads, and closes at the end.
type echo struct {
	l  *Loop
	fd int
}

func (e echo) Ready(ev Events) {
	for ev.Readable() {
		var buf [4]byte
		n, errno := Read(e.fd, buf[:])
		switch {
		case errno == unix.EAGAIN:
			return
		case errno != 0 || n == 0:
			e.l.CloseFD(e.fd)
			return
		}
		_, _ = Send(e.fd, buf[:n])
	}
}

// TestEcho: many descriptors at once, events before and after the loop parked,
// more than one batch, and the end of each.
func TestEcho(t *testing.T) {
	l := run(t)
	var all sync.WaitGroup
	for range 3 * batch {
		mine, theirs := pair(t)
		if _, err := unix.Write(theirs, []byte("early ")); err != nil {
			t.Fatal(err)
		}
		do(t, l, func() {
			if err := l.Add(mine, echo{l, mine}); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			time.Sleep(20 * time.Millisecond) // parked by now
			_, _ = unix.Write(theirs, []byte("and late"))
			_ = unix.Shutdown(theirs, unix.SHUT_WR)
			var got bytes.Buffer
			for buf := make([]byte, 64); ; {
				n, err := unix.Read(theirs, buf)
				if n <= 0 || err != nil {
					break
				}
				got.Write(buf[:n])
			}
			if got.String() != "early and late" {
				t.Errorf("%q came back", got.String())
			}
		})
	}
	all.Wait()
}

type counted struct{ n int }

func (c *counted) Ready(Events) { c.n++ }
func (c *counted) Expire()      { c.n++ }

// TestReusedNumber: what happened to a descriptor is not told to the next that has
// its number.
func TestReusedNumber(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first, _ := pair(t)
	var old, fresh counted
	if err := l.Add(first, &old); err != nil {
		t.Fatal(err)
	}
	if err := l.wait(); err != nil { // the event is taken, and not handed on yet
		t.Fatal(err)
	}
	taken, got := l.events, l.got
	l.CloseFD(first)
	second, _ := pair(t)
	if second != first {
		t.Fatalf("the number %d is not used again but %d", first, second)
	}
	if err := l.Add(second, &fresh); err != nil {
		t.Fatal(err)
	}
	for _, e := range taken[:got] {
		if o := l.owners[e.Fd]; int(e.Fd) == first && o.generation == e.Pad {
			t.Error("an event of the one before counts")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.Post(cancel)
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if old.n != 0 || fresh.n == 0 {
		t.Errorf("the old one was told %d times, the new one %d", old.n, fresh.n)
	}
	l.CloseFD(second)
}

// TestLater: one that wants to go on for ever holds up nobody.
func TestLater(t *testing.T) {
	l := run(t)
	var again atomic.Int64
	do(t, l, func() { l.Later(forever{l, &again}) })
	for range 100 {
		do(t, l, func() {})
	}
	if again.Load() == 0 {
		t.Error("it had no turn")
	}
	again.Store(-1 << 40) // it ends
}

type forever struct {
	l *Loop
	n *atomic.Int64
}

func (f forever) Ready(Events) {
	if f.n.Add(1) > 0 {
		f.l.Later(f)
	}
}

func TestPostFromManySides(t *testing.T) {
	l := run(t)
	var wg sync.WaitGroup
	sum := 0 // the loop's alone
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				l.Post(func() { sum++ })
			}
		})
	}
	wg.Wait()
	do(t, l, func() {
		if sum != 8000 {
			t.Errorf("%d of 8000 were called", sum)
		}
	})
}

// TestTimersOfALoop: the kernel's clock runs while there are timers.
func TestTimersOfALoop(t *testing.T) {
	l := run(t)
	called := make(chan time.Time, 1)
	begin := time.Now()
	timer := &Timer{Owner: expiry(func() { called <- time.Now() })}
	do(t, l, func() { l.Set(timer, 250*time.Millisecond) })
	select {
	case at := <-called:
		if d := at.Sub(begin); d < 250*time.Millisecond || d > 2*time.Second {
			t.Errorf("called after %v", d)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not called")
	}
	do(t, l, func() {
		if l.timers.running || l.timers.count != 0 {
			t.Errorf("the clock runs on for %d timers", l.timers.count)
		}
	})
}

type expiry func()

func (e expiry) Expire() { e() }

func TestWheel(t *testing.T) {
	start := time.Unix(1000, 0)
	w := newWheel(start)
	after := func(d time.Duration) { w.now = start.Add(d); w.turn() }
	var soon, late, round counted
	a, b, c := &Timer{Owner: &soon}, &Timer{Owner: &late}, &Timer{Owner: &round}
	w.set(a, Tick)
	w.set(b, 3*Tick)
	w.set(c, (spokes+1)*Tick) // in the list of a
	after(Tick)
	if soon.n != 0 {
		t.Error("called early")
	}
	after(2 * Tick)
	if soon.n != 1 || late.n != 0 || round.n != 0 {
		t.Errorf("%d %d %d", soon.n, late.n, round.n)
	}
	w.stop(b)
	w.stop(b) // twice is once
	after(10 * Tick)
	if late.n != 0 {
		t.Error("stopped and called")
	}
	w.set(b, time.Hour)
	w.set(b, Tick) // the last word counts
	after((spokes + 5) * Tick)
	if late.n != 1 || round.n != 1 || w.count != 0 {
		t.Errorf("%d %d, %d left", late.n, round.n, w.count)
	}
	// One that sets itself and stops another of the same list.
	var again *Timer
	other := &Timer{Owner: &late}
	again = &Timer{Owner: expiry(func() { w.stop(other); w.set(again, spokes*Tick) })}
	w.set(again, Tick)
	w.set(other, Tick)
	after(10 * time.Hour) // asleep for long: the next is counted from here
	if late.n != 1 || w.count != 1 {
		t.Errorf("called %d times, %d set", late.n, w.count)
	}
	after(20 * time.Hour)
	if w.count != 1 {
		t.Errorf("%d set", w.count)
	}
}

// TestRemove: what is removed is told of nothing more, stays open, and may be added
// again.
func TestRemove(t *testing.T) {
	l := run(t)
	mine, theirs := pair(t)
	defer unix.Close(mine)
	var before, after counted
	do(t, l, func() {
		if err := l.Add(mine, &before); err != nil {
			t.Error(err)
		}
	})
	do(t, l, func() { l.Remove(mine) })
	told := before.n
	if _, err := unix.Write(theirs, []byte("x")); err != nil {
		t.Fatal(err)
	}
	do(t, l, func() {
		if err := l.Add(mine, &after); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(10 * time.Second); ; {
		var n int
		if do(t, l, func() { n = after.n }); n > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what was added again is told of nothing")
		}
	}
	if n, errno := Peek(mine); n != 1 || errno != 0 || before.n != told {
		t.Errorf("peeked %d bytes, %v; the one before was told %d times more", n, errno, before.n-told)
	}
}

// TestCall waits for what it asks, and not for a loop that does not run.
func TestCall(t *testing.T) {
	l := run(t)
	called := false
	if l.Call(t.Context(), func() { called = true }); !called {
		t.Error("it did not wait")
	}
	idle, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	idle.Call(ctx, func() { t.Error("who called?") })
}
