package relay

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

const (
	turns = 16       // reads of one flow in a row
	bulk  = 16 << 10 // a read of so much is likely followed by more
)

// flow is one direction of a connection.
type flow struct {
	w        *worker
	from, to *end
	head     []byte    // goes before anything else
	pending  []byte    // read and not written yet
	pipe     poll.Pipe // of a flow of many bytes
	inPipe   int
	large    bool // the last read was
	ended    bool // from has said all
	done     bool // and to has it
	moved    uint64
}

// pump moves bytes until there are none to read or to is full. It tells whether it
// stopped for others to have their turn. An error is that of a socket, which is of
// no more use.
func (f *flow) pump() (again bool, _ unix.Errno) {
	for range turns {
		if errno := f.flush(); errno != 0 {
			return false, errno
		}
		switch {
		case f.done || f.inPipe > 0 || len(f.pending) > 0:
			return false, 0
		case f.ended:
			return false, f.finish()
		case !f.from.readable && f.head == nil:
			f.free()
			return false, 0
		}
		if errno := f.fill(); errno != 0 {
			return false, errno
		}
	}
	return true, 0
}

// flush writes what was read before, as far as it goes.
func (f *flow) flush() unix.Errno {
	for f.inPipe > 0 && f.to.writable {
		n, errno := poll.Splice(f.pipe.Out, f.to.fd, f.inPipe)
		switch {
		case errno == unix.EAGAIN:
			f.to.writable = false
		case errno != 0:
			return errno
		}
		if errno == 0 {
			f.inPipe -= n
			f.moved += uint64(n)
		}
	}
	if len(f.pending) > 0 {
		rest, errno := f.write(f.pending)
		f.pending = rest
		return errno
	}
	return 0
}

// write writes as much of b as to takes, and returns the rest.
func (f *flow) write(b []byte) (rest []byte, _ unix.Errno) {
	for len(b) > 0 && f.to.writable {
		n, errno := poll.Send(f.to.fd, b)
		switch {
		case errno == unix.EAGAIN:
			f.to.writable = false
		case errno != 0:
			return b, errno
		default:
			b = b[n:]
			f.moved += uint64(n)
		}
	}
	return b, 0
}

// finish tells to that there is no more.
func (f *flow) finish() unix.Errno {
	f.done = true
	f.free()
	if err := unix.Shutdown(f.to.fd, unix.SHUT_WR); err != nil {
		return poll.ErrnoOf(err)
	}
	return 0
}

// fill reads, and writes what it read if that goes at once.
func (f *flow) fill() unix.Errno {
	if f.large && f.head == nil && !f.from.urgent && f.takePipe() {
		return f.splice()
	}
	buf := f.w.buf
	n := copy(buf, f.head)
	if f.from.readable {
		m, errno := poll.Read(f.from.fd, buf[n:])
		switch {
		case errno == unix.EAGAIN:
			f.from.readable, m = false, 0
		case errno != 0:
			return errno
		case m == 0:
			f.ended = true
		case m < len(buf)-n && !f.from.over && !f.from.urgent:
			f.from.readable = false // that was all there is
		}
		f.large = m >= bulk
		n += m
	}
	f.head = nil
	rest, errno := f.write(buf[:n])
	f.pending = slices.Clone(rest) // the buffer is everybody's
	return errno
}

// splice reads into the pipe.
func (f *flow) splice() unix.Errno {
	n, errno := poll.Splice(f.from.fd, f.pipe.In, pipeSize)
	switch {
	case errno == unix.EAGAIN:
		f.from.readable, f.large = false, false
	case errno != 0:
		return errno
	case n == 0:
		f.ended = true
	default:
		f.inPipe = n
	}
	return 0
}

// takePipe tells whether the flow has a pipe. It has none if there are none to
// spare.
func (f *flow) takePipe() bool {
	if f.pipe != (poll.Pipe{}) {
		return true
	}
	if n := len(f.w.pipes); n > 0 {
		f.pipe, f.w.pipes = f.w.pipes[n-1], f.w.pipes[:n-1]
		return true
	}
	if f.w.loop.Now().Before(f.w.pipeless) {
		return false
	}
	p, err := f.w.e.newPipe()
	if err != nil {
		f.w.pipeless = f.w.loop.Now().Add(pipePause)
		return false
	}
	f.pipe = p
	return true
}

// free gives the pipe back. One with bytes in it is closed: they are of nobody
// else's business.
func (f *flow) free() {
	switch {
	case f.pipe == (poll.Pipe{}):
		return
	case f.inPipe > 0 || len(f.w.pipes) >= idlePipes:
		f.w.e.closePipe(f.pipe)
	default:
		f.w.pipes = append(f.w.pipes, f.pipe)
	}
	f.pipe, f.inPipe = poll.Pipe{}, 0
}
