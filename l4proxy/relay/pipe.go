package relay

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pipeSize  = 256 << 10
	idlePipes = 64          // that a loop keeps
	pipePause = time.Second // when no more can be made
)

// pipe is a pipe. The zero pipe is none.
type pipe struct{ in, out int }

// newPipe makes a pipe, which is an error if there are no files to spare, or no
// memory: beyond a limit (pipe-user-pages-soft, of all root's processes together)
// the kernel makes pipes of two packets, through which bytes go more slowly than
// through the buffer of the loop.
func (e *Engine) newPipe() (pipe, error) {
	if !e.sparePipe() {
		return pipe{}, unix.EMFILE
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, fmt.Errorf("make a pipe: %w", err)
	}
	e.pipes.Add(1)
	p := pipe{in: fds[1], out: fds[0]}
	if _, err := unix.FcntlInt(uintptr(p.in), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		e.closePipe(p)
		return pipe{}, fmt.Errorf("make a pipe of %d bytes: %w", pipeSize, err)
	}
	return p, nil
}

func (e *Engine) closePipe(p pipe) {
	_ = unix.Close(p.in)
	_ = unix.Close(p.out)
	e.pipes.Add(-1)
}
