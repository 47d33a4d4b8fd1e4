package thread

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

func TestPoll(t *testing.T) {
	r, w := pipe(t)
	fds := []unix.PollFd{{Fd: int32(r), Events: unix.POLLIN}}

	start := time.Now()
	if err := Poll(fds, 20*time.Millisecond); err != nil || fds[0].Revents != 0 {
		t.Errorf("nothing to read: %v, revents %x", err, fds[0].Revents)
	}
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("waited %v, want 20 ms", took)
	}
	if err := Poll(fds, 0); err != nil || fds[0].Revents != 0 {
		t.Errorf("no wait: %v, revents %x", err, fds[0].Revents)
	}

	time.AfterFunc(5*time.Millisecond, func() { _, _ = unix.Write(w, []byte{1}) })
	if err := Poll(fds, -1); err != nil || fds[0].Revents != unix.POLLIN {
		t.Errorf("a byte to read: %v, revents %x", err, fds[0].Revents)
	}
	if err := Poll(nil, time.Millisecond); err != nil {
		t.Errorf("no file: %v", err)
	}
	for _, timeout := range []time.Duration{0, time.Second} {
		if err := Poll(make([]unix.PollFd, 1<<22), timeout); !errors.Is(err, unix.EINVAL) {
			t.Errorf("too many files, %v: %v, want EINVAL", timeout, err)
		}
	}
}

// More threads wait than there are processors, and whoever computes still gets
// one at once; memory is collected and stacks move meanwhile.
func TestPollHoldsNoProcessor(t *testing.T) {
	const waiting, rounds = 16, 50
	var ends sync.WaitGroup
	for range waiting {
		r, w := pipe(t)
		ends.Go(func() {
			Urgent()
			grow(64)
			fds := []unix.PollFd{{Fd: int32(r), Events: unix.POLLIN}}
			for range rounds {
				if err := Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
					t.Error(err)
					return
				}
				var b [1]byte
				_, _ = unix.Read(r, b[:])
			}
		})
		ends.Go(func() {
			for range rounds {
				if _, err := unix.Write(w, []byte{1}); err != nil {
					t.Error(err)
					return
				}
				runtime.GC()
				time.Sleep(time.Millisecond)
			}
		})
	}
	done := make(chan struct{})
	go func() { ends.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("threads that wait hold up the others")
	}
}

// grow makes the stack of its goroutine larger, so that there is something to
// shrink.
func grow(n int) byte {
	var b [1024]byte
	if n > 0 {
		b[n] = grow(n - 1)
	}
	return b[n]
}

func BenchmarkPoll(b *testing.B) {
	for name, poll := range map[string]func([]unix.PollFd) error{
		"Poll": func(fds []unix.PollFd) error { return Poll(fds, 20*time.Millisecond) },
		"Ppoll": func(fds []unix.PollFd) error {
			ts := unix.NsecToTimespec(int64(20 * time.Millisecond))
			_, err := unix.Ppoll(fds, &ts, nil)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			before := spent(b)
			for range b.N {
				if err := poll(nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((spent(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// spent is the processor time of this process.
func spent(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
