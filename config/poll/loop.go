package poll

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	batch = 128 // events taken from the kernel at once
	// yieldEvery is how many batches in a row a loop does before it lets other
	// goroutines of its thread run.
	yieldEvery = 16
)

// Events are what happened to a file descriptor.
type Events uint32

// Readable tells whether there may be something to read, were it the end.
func (e Events) Readable() bool {
	return e&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// Writable tells whether writing may go on, were it to an error.
func (e Events) Writable() bool { return e&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 }

// Ended tells whether the other side will send no more: what reads short of a full
// buffer may then be followed by the end without another event.
func (e Events) Ended() bool { return e&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 }

// Urgent tells whether there are urgent data (RFC 6093), at which reading stops
// short: more may follow without another event, and splicing does not get past.
func (e Events) Urgent() bool { return e&unix.EPOLLPRI != 0 }

// Failed tells whether the descriptor has an error.
func (e Events) Failed() bool { return e&unix.EPOLLERR != 0 }

// Handler is whoever has a file descriptor.
type Handler interface{ Ready(Events) }

// Loop is an event loop. Make it with [New].
type Loop struct {
	epoll  int
	file   *os.File        // epoll
	park   syscall.RawConn // of file
	ask    func(uintptr) bool
	bell   int // eventfd: something was posted
	clock  int // timerfd: ticks while there are timers
	owners []owner
	later  []Handler
	spare  []Handler // memory for later, which is empty
	timers wheel

	events [batch]unix.EpollEvent
	got    int   // events
	fault  error // of epoll_wait

	mu     sync.Mutex
	posted []func()
	closed bool
}

// owner is who has a file descriptor, by its number. The generation tells the
// events of one that had the number before.
type owner struct {
	handler    Handler
	generation int32
}

// New makes a loop. Whoever made it closes it.
func New() (*Loop, error) {
	l := &Loop{epoll: -1, bell: -1, clock: -1}
	if err := l.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("make an event loop: %w", err), l.Close())
	}
	return l, nil
}

func (l *Loop) open() (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err = unix.SetNonblock(l.epoll, true); err != nil { // so that os takes it for one that can be waited for
		return fmt.Errorf("epoll: %w", err)
	}
	l.file = os.NewFile(uintptr(l.epoll), "epoll")
	if l.park, err = l.file.SyscallConn(); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	l.ask = func(uintptr) bool {
		l.got, l.fault = epollWait(l.epoll, l.events[:])
		return l.got > 0 || l.fault != nil
	}
	if l.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if l.clock, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("timerfd: %w", err)
	}
	l.timers = newWheel(time.Now())
	return errors.Join(l.Add(l.bell, drained{l.bell}), l.Add(l.clock, drained{l.clock}))
}

// drained reads the counter of an eventfd or timerfd, which rings again then.
type drained struct{ fd int }

func (d drained) Ready(Events) {
	var count [8]byte
	_, _ = Read(d.fd, count[:])
}

// Close frees the loop, after Run. The descriptors of others stay open.
func (l *Loop) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, fd := range []int{l.bell, l.clock} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	if l.file != nil {
		return l.file.Close()
	}
	return nil
}

// Add has h told of what happens to fd, which must not block, from its present
// state on.
func (l *Loop) Add(fd int, h Handler) error {
	for fd >= len(l.owners) {
		l.owners = append(l.owners, make([]owner, max(64, len(l.owners)))...)
	}
	o := &l.owners[fd]
	o.generation++
	event := unix.EpollEvent{Fd: int32(fd), Pad: o.generation, Events: unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("add to epoll: %w", err)
	}
	o.handler = h
	return nil
}

// CloseFD closes fd and forgets its handler, which is told of nothing more.
func (l *Loop) CloseFD(fd int) {
	l.forget(fd)
	_ = unix.Close(fd)
}

// Remove gives fd, which was added, to its handler alone.
func (l *Loop) Remove(fd int) {
	l.forget(fd)
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) // fails for what is not there
}

func (l *Loop) forget(fd int) {
	if fd < len(l.owners) {
		l.owners[fd].handler = nil
		l.owners[fd].generation++
	}
}

// Later has h called with no events once the others had their turn: for those
// that could go on for ever.
func (l *Loop) Later(h Handler) { l.later = append(l.later, h) }

// Post has f called by the loop, and tells whether it will be. Anyone may post at any
// time; a loop that ended, or was closed, calls nobody.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.posted = append(l.posted, f)
	if len(l.posted) == 1 {
		_, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // in any byte order it is not 0
	}
	return true
}

// Call has f called by the loop, as [Loop.Post], and waits until that was done or ctx
// ends. One that ended does not. The loop itself must not call it.
func (l *Loop) Call(ctx context.Context, f func()) {
	done := make(chan struct{})
	if !l.Post(func() {
		defer close(done)
		f()
	}) {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Run serves until ctx ends. It calls all that was posted, then, and nobody later.
func (l *Loop) Run(ctx context.Context) error {
	defer l.runLast()
	defer context.AfterFunc(ctx, func() { l.Post(func() {}) })()
	for round := 1; ctx.Err() == nil; round++ {
		if err := l.wait(); err != nil {
			return err
		}
		l.timers.now = time.Now()
		for i := range l.got {
			e := &l.events[i]
			if o := l.owners[e.Fd]; o.handler != nil && o.generation == e.Pad {
				o.handler.Ready(Events(e.Events))
			}
		}
		l.goOn()
		l.runPosted()
		l.timers.turn()
		if l.timers.ring() {
			l.setClock()
		}
		if round%yieldEvery == 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// wait takes events from the kernel; it comes back without any only if somebody
// is to go on anyway.
func (l *Loop) wait() error {
	if l.ask(0); l.got == 0 && l.fault == nil && len(l.later) == 0 {
		if err := l.park.Read(l.ask); err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
	}
	if l.fault != nil {
		return fmt.Errorf("wait for events: %w", l.fault)
	}
	return nil
}

// goOn calls those that wanted to be called later, before this round.
func (l *Loop) goOn() {
	now := l.later
	l.later = l.spare[:0]
	for _, h := range now {
		h.Ready(0)
	}
	clear(now)
	l.spare = now
}

func (l *Loop) runLast() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.runPosted()
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	now := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range now {
		f()
	}
}

// Now is the time at which this round began.
func (l *Loop) Now() time.Time { return l.timers.now }

// Set has the owner of t called when d has passed, at most a [Tick] later, and not
// when it was set to before.
func (l *Loop) Set(t *Timer, d time.Duration) {
	l.timers.set(t, d)
	if l.timers.ring() {
		l.setClock()
	}
}

// Stop has the owner of t not called.
func (l *Loop) Stop(t *Timer) { l.timers.stop(t) }

// setClock makes the kernel's timer go while there are timers, and only then.
func (l *Loop) setClock() {
	var every unix.Timespec
	if l.timers.running = l.timers.count > 0; l.timers.running {
		every = unix.NsecToTimespec(Tick.Nanoseconds())
	}
	_ = unix.TimerfdSettime(l.clock, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil) // fails for times that are none
}
