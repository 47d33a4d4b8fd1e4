package engine

import "io"

// buffer holds what was read and not used yet.
type buffer struct {
	b    []byte
	r, w int // b[r:w]
}

const smallBuffer, largeBuffer = 4 << 10, 32 << 10

func (b *buffer) bytes() []byte { return b.b[b.r:b.w] }

func (b *buffer) use(n int) {
	if b.r += n; b.r == b.w {
		b.r, b.w = 0, 0
	}
}

// fill reads once, after making room. Slices of the buffer are of no use any more
// then.
func (b *buffer) fill(from io.Reader, least, most int) (int, error) {
	n, err := from.Read(b.room(least, most))
	b.w += n
	return n, err
}

// room is where to read to: the buffer is of least bytes at first, and doubles, up
// to most, when it is full.
func (b *buffer) room(least, most int) []byte {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	to := b.b
	switch {
	case len(b.b) < least:
		to = make([]byte, least)
	case b.r == 0 && b.w == len(b.b):
		to = make([]byte, min(2*len(b.b), most))
	}
	if b.w == len(b.b) || len(to) != len(b.b) {
		b.w = copy(to, b.bytes())
		b.b, b.r = to, 0
	}
	return b.b[b.w:]
}

// shrink gives up memory that a connection does not need while it is idle, and
// tells whether there was any.
func (b *buffer) shrink() bool {
	if b.r < b.w || len(b.b) <= smallBuffer {
		return false
	}
	*b = buffer{}
	return true
}
