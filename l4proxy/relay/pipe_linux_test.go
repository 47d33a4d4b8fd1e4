package relay

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

// TestPipesLeaveFiles: pipes have a quarter of the files at most, and no connection
// is taken for which there is none left.
func TestPipesLeaveFiles(t *testing.T) {
	e := &Engine{o: Options{Connections: 32}, most: 64}
	var made []poll.Pipe
	for {
		p, err := e.newPipe()
		if err != nil {
			break
		}
		made = append(made, p)
	}
	if len(made) != 8 {
		t.Errorf("%d pipes", len(made))
	}
	w, err := newWorker(e, 0)
	if err != nil {
		t.Fatal(err)
	}
	for e.open.Store(0); !w.full(); e.open.Add(1) {
	}
	if n := e.open.Load(); n != 24 {
		t.Errorf("%d connections beside them", n)
	}
	for _, p := range made {
		e.closePipe(p)
	}
	if w.full() {
		t.Error("closed pipes have files")
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// TestNoSmallPipes: a relay without privileges gets small pipes when there are
// many; it does without them.
func TestNoSmallPipes(t *testing.T) {
	e := &Engine{most: 1 << 20}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread has fewer capabilities
		if err := dropCapabilities(); err != nil {
			t.Error(err)
			return
		}
		for range 400 { // the limit is of 256, if nobody changed it
			p, err := e.newPipe()
			if err != nil {
				return
			}
			defer e.closePipe(p)
			if n, err := unix.FcntlInt(uintptr(p.In), unix.F_GETPIPE_SZ, 0); err != nil || n < pipeSize {
				t.Errorf("a pipe of %d bytes, %v", n, err)
				return
			}
		}
	}()
	<-done
	if n := e.pipes.Load(); n != 0 {
		t.Errorf("%d pipes are left", n)
	}
}

// dropCapabilities leaves this thread without those that lift the limit of pipes.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_RESOURCE
	return unix.Capset(&head, &data[0])
}
