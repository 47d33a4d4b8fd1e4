package engine

import (
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

const (
	// pourFrom is how many bytes must be left of a body that is passed on as it comes
	// for the kernel to move them: two calls for a piece cost less than a copy then.
	pourFrom = 16 << 10
	pipeSize = 256 << 10
)

// pours tells whether the kernel is to move what is left of a body from one connection
// to another.
func (w *worker) pours(from, to *link, bulk int64, plain bool) bool {
	return bulk >= pourFrom && plain && !from.urgent && from.over == nil && to.over == nil && w.pipe != (poll.Pipe{})
}

// pour has the kernel move up to most bytes from one connection to another, by way of
// the loop's pipe. What the other does not take now waits to be sent to it: the pipe is
// left empty, for others use it, too. Errors are those of reading and of writing.
func (w *worker) pour(from, to *link, most int64) (n int, read, written error) {
	n, errno := poll.Splice(from.fd, w.pipe.In, int(min(most, pipeSize/2)))
	switch {
	case errno == unix.EAGAIN:
		from.readable = false
		return 0, nil, nil
	case errno != 0:
		return 0, errno, nil
	case n == 0:
		return 0, io.EOF, nil
	}
	for left := n; left > 0; {
		if !to.writable {
			return n, nil, w.keepPoured(to, left)
		}
		m, errno := poll.Splice(w.pipe.Out, to.fd, left)
		switch {
		case errno == unix.EAGAIN:
			to.writable = false
		case errno != 0:
			w.newPipe() // with what is in this one it is good for nobody
			return n, nil, errno
		}
		left -= max(m, 0)
	}
	return n, nil, nil
}

// keepPoured takes n bytes out of the pipe, to be sent later.
func (w *worker) keepPoured(to *link, n int) error {
	if to.out == nil {
		to.out = w.lend()
	}
	old := len(to.out)
	to.out = slices.Grow(to.out, n)[:old+n]
	for b := to.out[old:]; len(b) > 0; {
		m, errno := poll.Read(w.pipe.Out, b)
		if errno != 0 || m == 0 { // never: they are in it
			w.newPipe()
			return io.ErrUnexpectedEOF
		}
		b = b[m:]
	}
	return nil
}

// newPipe makes the loop's pipe, in place of the one before. Without one all bytes
// are copied.
func (w *worker) newPipe() {
	w.closePipe()
	w.pipe, _ = poll.NewPipe(pipeSize)
}

func (w *worker) closePipe() {
	if w.pipe != (poll.Pipe{}) {
		w.pipe.Close()
		w.pipe = poll.Pipe{}
	}
}
