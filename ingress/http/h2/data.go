package h2

import "time"

// body is a DATA frame that is being read, piece by piece as it comes.
type body struct {
	open      bool
	stream    *stream // nil: nobody wants it
	data, pad int     // still to come
	end       bool    // END_STREAM
}

// beginData reads the beginning of a DATA frame (section 6.1). The whole frame
// counts against the windows at once.
func (c *Conn) beginData(h header, in []byte, now time.Time) (ev Event, n int, err *Error) {
	n = headerLen
	pad, length := 0, int(h.length)
	if h.has(flagPadded) {
		if length == 0 {
			return ev, 0, &Error{FrameSizeError, "a padded frame has no room for the length of its padding"}
		}
		if len(in) == n {
			return ev, 0, nil
		}
		if pad = int(in[n]); pad >= length {
			return ev, 0, &Error{ProtocolError, "the padding is longer than its frame"}
		}
		n++
	}
	switch {
	case c.idle(h.stream):
		return ev, 0, &Error{ProtocolError, "DATA on a stream that was never opened"}
	case int64(length) > c.recvWindow:
		return ev, 0, &Error{FlowControlError, "DATA is more than the window of the connection"}
	}
	c.recvWindow -= int64(length)
	c.giveBack(int64(n - headerLen))
	c.body = body{open: true, data: length - (n - headerLen) - pad, pad: pad, end: h.has(flagEndStream)}
	ev, err = c.wanted(h, now)
	if c.body.data+c.body.pad == 0 && (c.body.stream == nil || !c.body.end) {
		c.body.open = false
	}
	return ev, n, err
}

// wanted finds the stream of the DATA frame that begins, if it may have it.
func (c *Conn) wanted(h header, now time.Time) (Event, *Error) {
	s := c.streams[h.stream]
	if s == nil {
		return c.late(h.stream, int64(h.length), now)
	}
	length, data := int64(h.length), int64(c.body.data)
	known := s.left != unsaid
	switch {
	case s.recvEnded:
		return c.fail(s.id, StreamClosed, "DATA after the end of the stream", now)
	case !s.headSeen:
		return c.fail(s.id, ProtocolError, "DATA before the head", now)
	case length > s.recvWindow:
		return c.fail(s.id, FlowControlError, "DATA is more than the window of the stream", now)
	case known && data > s.left:
		return c.fail(s.id, ProtocolError, "the body is longer than it may be", now)
	case known && c.body.end && data < s.left:
		return c.fail(s.id, ProtocolError, "the body is shorter than content-length says", now)
	}
	if known {
		s.left -= data
	}
	s.recvWindow -= length
	s.owed += length - data
	c.body.stream = s
	if data > 0 || c.body.end {
		c.noiseBudget.earn(earnedByData, c.limits.Noise)
	} else if !c.noiseBudget.spend(now, c.limits.Noise) {
		return Event{}, &Error{EnhanceYourCalm, "too many DATA frames without data"}
	}
	return Event{}, nil
}

// late acts on a frame, with so much DATA, for a stream that is over: what was sent
// before the other side knew is ignored, all else is wrong (section 5.1).
func (c *Conn) late(id uint32, data int64, now time.Time) (Event, *Error) {
	r := c.resets.find(id)
	switch {
	case r == nil && id > c.resets.forgotten:
		return Event{}, &Error{StreamClosed, "a frame on a stream that is over"}
	case r != nil && !r.ours:
		return c.fail(id, StreamClosed, "a frame after RST_STREAM", now)
	case r != nil && 0 < data && data <= r.window:
		r.window -= data
	case !c.noiseBudget.spend(now, c.limits.Noise):
		return Event{}, &Error{EnhanceYourCalm, "too many frames for streams that were reset"}
	}
	return Event{}, nil
}

// nextData gives out what there is of the frame.
func (c *Conn) nextData(in []byte) (ev Event, n int) {
	b := &c.body
	s := b.stream
	if s == nil || b.data == 0 && !b.end {
		n = min(len(in), b.data+b.pad)
		c.giveBack(int64(n))
		fromData := min(n, b.data)
		b.data, b.pad = b.data-fromData, b.pad-(n-fromData)
		b.open = b.data+b.pad > 0
		return Event{}, n
	}
	if n = min(len(in), b.data); n == 0 && b.data > 0 {
		return Event{}, 0
	}
	b.data -= n
	b.open = b.data+b.pad > 0
	s.held += int64(n)
	ev = Event{Kind: Data, Stream: s.id, Data: in[:n:n], End: b.end && b.data == 0}
	if ev.End {
		b.stream, b.end = nil, false
		c.endRecv(s)
	}
	return ev, n
}

// giveBack opens the window of the connection again, by half of it at a time.
func (c *Conn) giveBack(n int64) {
	c.owed += n
	if c.owed >= int64(c.limits.ConnWindow)/2 {
		c.out = appendWindowUpdate(c.out, 0, uint32(c.owed))
		c.recvWindow, c.owed = c.recvWindow+c.owed, 0
	}
}

// Consumed says that the driver got rid of n bytes that events of kind Data gave
// it, so that the other side may send as much again.
func (c *Conn) Consumed(id uint32, n int) {
	s := c.streams[id]
	if s == nil {
		return // all of it counted when the stream ended
	}
	some := min(int64(n), s.held)
	s.held -= some
	c.giveBack(some)
	if s.owed += some; !s.recvEnded && s.owed >= int64(c.limits.StreamWindow)/2 {
		c.out = appendWindowUpdate(c.out, id, uint32(s.owed))
		s.recvWindow, s.owed = s.recvWindow+s.owed, 0
	}
}
