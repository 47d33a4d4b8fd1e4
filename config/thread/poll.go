package thread

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// long is from when on a wait pays for giving back the processor: one wakes the
// monitor at its end, twice, which short ones do not.
const long = 10 * time.Millisecond

// Poll waits in the kernel until one of fds is ready, as poll(2) does, for at
// most so long, or without end if timeout is negative. A signal may end it
// early, with [unix.EINTR].
//
// Unlike [unix.Ppoll] it gives the runtime its processor back first, unless the
// wait is short. The runtime cannot know that a system call will last: its monitor
// watches one for 10 ms, waking again and again, and others wait for that
// processor. Threads that are woken a hundred times a second keep the monitor
// awake for good.
func Poll(fds []unix.PollFd, timeout time.Duration) error {
	var limit *unix.Timespec
	if timeout >= 0 {
		ts := unix.NsecToTimespec(int64(timeout))
		limit = &ts
	}
	if limit != nil && timeout < long {
		_, err := unix.Ppoll(fds, limit, nil)
		return err
	}
	errno := poll(unsafe.SliceData(fds), len(fds), limit)
	runtime.KeepAlive(fds)
	if errno != 0 {
		return errno
	}
	return nil
}

// poll is [syscall.Syscall6] with the other way into the system call; like that
// one it must neither grow the stack nor be watched by the race detector, as
// nothing of the runtime is at hand in between.
//
//go:nosplit
//go:norace
func poll(fds *unix.PollFd, n int, limit *unix.Timespec) syscall.Errno {
	entersyscallblock()
	_, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(fds)), uintptr(n), uintptr(unsafe.Pointer(limit)), 0, 0, 0)
	exitsyscall()
	return errno
}

// Both are kept as they are for such uses: see go.dev/issue/67401.

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
