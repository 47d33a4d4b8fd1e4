package bfd

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHurryInVain: a process that may not run in real time keeps all its processors,
// since one thread that has to wait would hold up the others.
func TestHurryInVain(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // which ends with this: capabilities are a thread's
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capset(&head, &caps[0]); err != nil {
			t.Error(err)
			return
		}
		if hurry() == nil {
			t.Error("this process runs in real time")
		}
		if n := runtime.GOMAXPROCS(0); n != 2 {
			t.Errorf("%d threads at a time run Go", n)
		}
	}()
	<-done
}
