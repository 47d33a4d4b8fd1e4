package h2

import (
	"encoding/binary"
	"slices"
	"time"
)

// settings acts on SETTINGS (section 6.5).
func (c *Conn) settings(h header, payload []byte) (Event, *Error) {
	switch {
	case h.stream != 0:
		return Event{}, &Error{ProtocolError, "SETTINGS on a stream"}
	case h.has(flagAck) && len(payload) > 0:
		return Event{}, &Error{FrameSizeError, "an acknowledgement of SETTINGS has settings"}
	case len(payload)%6 != 0:
		return Event{}, &Error{FrameSizeError, "SETTINGS of a length that no settings have"}
	case h.has(flagAck):
		c.acked = true
		return Event{}, nil
	}
	before := c.peer
	if err := c.peer.take(payload, c.client); err != nil {
		return Event{}, err
	}
	c.settled = true
	c.encoder.Allow(c.peer.least)
	c.encoder.Allow(c.peer.table)
	if more := int64(c.peer.window) - int64(before.window); more != 0 {
		for _, s := range c.streams {
			if s.sendWindow += more; s.sendWindow > maxWindow {
				return Event{}, &Error{FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE makes the window of a stream too great"}
			}
		}
		c.recheck = len(c.waiting) > 0
	}
	c.answers++
	c.out = header{0, typeSettings, flagAck, 0}.append(c.out)
	return Event{Kind: Settings}, nil
}

// ping acts on PING (section 6.7).
func (c *Conn) ping(h header, payload []byte) (Event, *Error) {
	switch {
	case h.stream != 0:
		return Event{}, &Error{ProtocolError, "PING on a stream"}
	case len(payload) != 8:
		return Event{}, &Error{FrameSizeError, "PING without its eight bytes"}
	}
	data := [8]byte(payload)
	switch {
	case !h.has(flagAck):
		c.answers++
		c.out = appendPing(c.out, flagAck, data)
		return Event{}, nil
	case data == drainPing && c.drain == announced:
		c.GoAway(NoError, "")
		return Event{}, nil
	}
	return Event{Kind: Pong, Data: payload}, nil
}

// goAway acts on GOAWAY (section 6.8).
func (c *Conn) goAway(h header, payload []byte) (Event, *Error) {
	switch {
	case h.stream != 0:
		return Event{}, &Error{ProtocolError, "GOAWAY on a stream"}
	case len(payload) < 8:
		return Event{}, &Error{FrameSizeError, "GOAWAY without its eight bytes"}
	}
	c.peerGone = true
	if last := binary.BigEndian.Uint32(payload) & maxStream; c.client {
		for id := range c.streams {
			if id > last && !slices.Contains(c.refused, id) {
				c.refused = append(c.refused, id)
			}
		}
		slices.Sort(c.refused)
	}
	return Event{Kind: GoAway, Code: Code(binary.BigEndian.Uint32(payload[4:])), Reason: string(payload[8:min(len(payload), 8+maxReason)])}, nil
}

// maxReason bounds the debug data of a GOAWAY that is kept for a log.
const maxReason = 256

// reset acts on RST_STREAM (section 6.4).
func (c *Conn) reset(h header, payload []byte, now time.Time) (Event, *Error) {
	switch {
	case len(payload) != 4:
		return Event{}, &Error{FrameSizeError, "RST_STREAM without its four bytes"}
	case c.idle(h.stream):
		return Event{}, &Error{ProtocolError, "RST_STREAM on a stream that was never opened"}
	}
	s := c.streams[h.stream]
	budget, rate := &c.resetBudget, c.limits.Resets
	if c.client || s != nil && s.sendEnded { // nothing was asked for in vain
		budget, rate = &c.noiseBudget, c.limits.Noise
	}
	if !budget.spend(now, rate) {
		return Event{}, &Error{EnhanceYourCalm, "streams are reset too rapidly"}
	}
	if s == nil {
		return Event{}, nil
	}
	c.resets.add(resetStream{id: s.id}, int(c.limits.Streams))
	c.drop(s)
	return Event{Kind: Reset, Stream: h.stream, Code: Code(binary.BigEndian.Uint32(payload)), Reason: "the other side reset the stream"}, nil
}

// windowUpdate acts on WINDOW_UPDATE (section 6.9).
func (c *Conn) windowUpdate(h header, payload []byte, now time.Time) (Event, *Error) {
	if len(payload) != 4 {
		return Event{}, &Error{FrameSizeError, "WINDOW_UPDATE without its four bytes"}
	}
	n := int64(binary.BigEndian.Uint32(payload) & maxWindow)
	if h.stream == 0 {
		switch c.sendWindow += n; {
		case n == 0:
			return Event{}, &Error{ProtocolError, "WINDOW_UPDATE by 0"}
		case c.sendWindow > maxWindow:
			return Event{}, &Error{FlowControlError, "WINDOW_UPDATE makes the window of the connection too great"}
		}
		c.recheck = len(c.waiting) > 0
		return Event{}, nil
	}
	if c.idle(h.stream) {
		return Event{}, &Error{ProtocolError, "WINDOW_UPDATE on a stream that was never opened"}
	}
	s := c.streams[h.stream]
	if s == nil {
		return Event{}, nil
	}
	switch s.sendWindow += n; {
	case n == 0:
		return c.fail(s.id, ProtocolError, "WINDOW_UPDATE by 0", now)
	case s.sendWindow > maxWindow:
		return c.fail(s.id, FlowControlError, "WINDOW_UPDATE makes the window of the stream too great", now)
	}
	c.recheck = c.recheck || s.waiting
	return Event{}, nil
}

// checkPriority looks at PRIORITY, which says nothing any more (section 5.3.2).
func checkPriority(h header, payload []byte) *Error {
	switch {
	case h.stream == 0:
		return &Error{ProtocolError, "PRIORITY on no stream"}
	case len(payload) != 5:
		return &Error{FrameSizeError, "PRIORITY without its five bytes"}
	case binary.BigEndian.Uint32(payload)&maxStream == h.stream:
		return &Error{ProtocolError, "a stream depends on itself"}
	}
	return nil
}
