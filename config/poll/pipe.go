package poll

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Pipe is what [Splice] moves bytes through. The zero Pipe is none.
type Pipe struct{ In, Out int }

// NewPipe makes a pipe of that many bytes, a power of two. It is an error if there is
// no memory for that: beyond a limit (pipe-user-pages-soft, of all root's processes
// together) the kernel makes pipes of two packets, through which bytes go more slowly
// than through a buffer.
func NewPipe(size int) (Pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return Pipe{}, fmt.Errorf("make a pipe: %w", err)
	}
	p := Pipe{In: fds[1], Out: fds[0]}
	if _, err := unix.FcntlInt(uintptr(p.In), unix.F_SETPIPE_SZ, size); err != nil {
		p.Close()
		return Pipe{}, fmt.Errorf("make a pipe of %d bytes: %w", size, err)
	}
	return p, nil
}

// Close frees a pipe, with what is in it.
func (p Pipe) Close() {
	_ = unix.Close(p.In)
	_ = unix.Close(p.Out)
}
