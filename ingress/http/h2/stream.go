package h2

// stream is one that is open, or half closed.
type stream struct {
	id         uint32
	recvEnded  bool // the other side sends no more
	sendEnded  bool // we send no more
	headSeen   bool // the request, or the final response
	headSent   bool
	tunnel     bool // CONNECT: no content-length
	noBody     bool // the response to HEAD
	waiting    bool // among those that want to know of room
	interims   int
	sendWindow int64 // may be negative (section 6.9.2)
	recvWindow int64 // what the other side may still send
	held       int64 // given to the driver and not consumed
	owed       int64 // consumed, and not yet given back to the window
	left       int64 // of the content-length; -1: not said
}

// add makes a stream.
func (c *Conn) add(id uint32) *stream {
	var s *stream
	if n := len(c.free); n > 0 {
		s, c.free = c.free[n-1], c.free[:n-1]
	} else {
		s = &stream{}
	}
	*s = stream{id: id, sendWindow: int64(c.peer.window), recvWindow: int64(c.limits.StreamWindow), left: unsaid}
	if !c.acked { // the other side may not have read yet how large the window is
		s.recvWindow = max(s.recvWindow, startWindow)
	}
	c.streams[id] = s
	return s
}

// maxFree is how many streams that are over are kept to be used again.
const maxFree = 32

// drop forgets a stream. What the driver holds of it counts as consumed.
func (c *Conn) drop(s *stream) {
	c.giveBack(s.held)
	if b := &c.body; b.stream == s {
		b.stream, b.open = nil, b.data+b.pad > 0
	}
	if s.waiting {
		for i, w := range c.waiting {
			if w == s {
				c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
				break
			}
		}
	}
	delete(c.streams, s.id)
	if len(c.free) < maxFree {
		c.free = append(c.free, s)
	}
}

// endRecv notes that the other side sends no more.
func (c *Conn) endRecv(s *stream) {
	if s.recvEnded = true; s.sendEnded {
		c.drop(s)
	}
}

// endSend notes that we send no more.
func (c *Conn) endSend(s *stream) {
	if s.sendEnded = true; s.recvEnded {
		c.drop(s)
	}
}

// idle tells whether a stream has not been opened yet (section 5.1).
func (c *Conn) idle(id uint32) bool { return id%2 == 0 || id > c.last }

// resets remembers the streams that were reset last, for frames may still be
// under way (section 5.1).
type resets struct {
	list      []resetStream // a ring, once it is full
	next      int
	forgotten uint32 // the highest that fell out of the ring
}

type resetStream struct {
	id     uint32
	ours   bool  // reset by us: the other side may not know yet
	window int64 // what it may have sent before it knew
}

// add notes that a stream was reset, perhaps once more.
func (r *resets) add(s resetStream, most int) {
	switch old := r.find(s.id); {
	case old != nil:
		*old = s
	case len(r.list) < most:
		r.list = append(r.list, s)
	default:
		r.forgotten = max(r.forgotten, r.list[r.next].id)
		r.list[r.next] = s
		r.next = (r.next + 1) % most
	}
}

// find returns a stream that was reset; nil if none is known.
func (r *resets) find(id uint32) *resetStream {
	for i := range r.list {
		if r.list[i].id == id {
			return &r.list[i]
		}
	}
	return nil
}

// may tells whether a stream was reset, for all that is known.
func (r *resets) may(id uint32) bool { return id <= r.forgotten || r.find(id) != nil }
