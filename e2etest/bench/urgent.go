package bench

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Urgent binds the caller to its thread and puts that before all ordinary ones of
// the machine, in real time: between 1 and 99, the higher goes first. It is for
// callers that wait in the kernel; a goroutine that waits in Go is woken by
// another thread, which is not urgent.
func Urgent(priority uint32) error {
	runtime.LockOSThread()
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}
	if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
		return fmt.Errorf("real-time priority (CAP_SYS_NICE gives it): %w", err)
	}
	return nil
}
