// Package thread is about the threads of a process, where goroutines are not
// enough.
package thread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Urgent binds the caller to its thread and puts that before all others, if the
// process may (CAP_SYS_NICE): real-time, or else the best of the ordinary ones.
// Linux lets an ordinary thread that wakes wait for the next tick, 4 ms on busy
// processors, and a real-time one run at once. It is for short work only, and
// for callers that wait in the kernel: a goroutine that waits in Go is woken by
// another thread, which is not urgent. On a single processor it stays ordinary:
// where it has to wait for another thread of the runtime, that could not run. A
// thread of a process all of whose threads are real-time ones stays what it is.
func Urgent() {
	runtime.LockOSThread()
	if now, err := unix.SchedGetAttr(0, 0); runtime.NumCPU() == 1 || err == nil && now.Policy == unix.SCHED_RR {
		return
	}
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if unix.SchedSetAttr(0, &attr, 0) != nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20) // 0 is this thread
	}
}
