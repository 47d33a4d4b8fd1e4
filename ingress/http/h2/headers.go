package h2

import (
	"errors"
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// part is a head that is continued in further frames.
type part struct {
	stream uint32 // 0: none
	end    bool   // END_STREAM
	frames int    // CONTINUATION frames
	text   []byte
}

// headers acts on HEADERS (section 6.2).
func (c *Conn) headers(h header, payload []byte, now time.Time) (Event, *Error) {
	switch {
	case h.stream%2 == 0:
		return Event{}, &Error{ProtocolError, "HEADERS on a stream that no client can open"}
	case c.client && c.idle(h.stream):
		return Event{}, &Error{ProtocolError, "HEADERS on a stream that was never opened"}
	}
	payload, err := h.unpad(payload)
	if err != nil {
		return Event{}, err
	}
	if h.has(flagEndHeaders) {
		return c.block(h.stream, h.has(flagEndStream), payload, now)
	}
	c.part = part{stream: h.stream, end: h.has(flagEndStream)}
	return Event{}, c.gather(payload)
}

// continuation acts on CONTINUATION (section 6.10), of which there are few where
// anybody means well.
func (c *Conn) continuation(h header, payload []byte, now time.Time) (Event, *Error) {
	if c.part.frames++; c.part.frames > c.limits.Continuations {
		return Event{}, &Error{EnhanceYourCalm, "a head comes in too many frames"}
	}
	if err := c.gather(payload); err != nil {
		return Event{}, err
	}
	if !h.has(flagEndHeaders) {
		return Event{}, nil
	}
	p := c.part
	c.part = part{}
	return c.block(p.stream, p.end, p.text, now)
}

func (c *Conn) gather(payload []byte) *Error {
	if len(c.part.text)+len(payload) > c.limits.HeaderBlock {
		return &Error{EnhanceYourCalm, "a head is too long"}
	}
	c.part.text = append(c.part.text, payload...)
	return nil
}

// block acts on a whole head. It is decoded whatever becomes of it, for the
// tables of the two sides have to stay the same (section 4.3).
func (c *Conn) block(id uint32, end bool, text []byte, now time.Time) (Event, *Error) {
	fields := &c.scratch.fields
	err := c.decoder.Decode(text, fields)
	tooLarge := errors.Is(err, hpack.ErrListSize)
	if err != nil && !tooLarge {
		return Event{}, &Error{CompressionError, err.Error()}
	}
	s := c.streams[id]
	switch {
	case s == nil && !c.idle(id):
		return c.lateBlock(id, now)
	case s == nil:
		return c.request(id, end, tooLarge, now)
	case s.recvEnded:
		return c.fail(id, StreamClosed, "a head after the end of the stream", now)
	case !s.headSeen:
		return c.response(s, end, tooLarge, now)
	}
	return c.trailers(s, end, tooLarge, now)
}

// lateBlock acts on a head for a stream that is over, or was skipped, which ended
// it too (section 5.1.1).
func (c *Conn) lateBlock(id uint32, now time.Time) (Event, *Error) {
	if !c.resets.may(id) && id != c.last && !c.client {
		return Event{}, &Error{ProtocolError, "HEADERS on a stream with a lower number than one before"}
	}
	return c.late(id, 0, now)
}

// request begins a stream.
func (c *Conn) request(id uint32, end, tooLarge bool, now time.Time) (Event, *Error) {
	c.last = id
	if c.drain == final {
		c.forget(id, nil) // it came too late to be looked at
		return c.late(id, 0, now)
	}
	if len(c.streams) >= int(c.limits.Streams) {
		return c.fail(id, RefusedStream, "more streams than are allowed", now)
	}
	h := &c.scratch.head
	if tooLarge {
		*h = Head{TooLarge: true, Length: unsaid}
	} else if why := h.request(&c.scratch.fields, c.limits.ExtendedConnect); why != "" {
		return c.fail(id, ProtocolError, why, now)
	} else if end && h.Length > 0 {
		return c.fail(id, ProtocolError, "content-length promises a body and none comes", now)
	}
	c.noiseBudget.earn(earnedByHead, c.limits.Noise)
	s := c.add(id)
	s.headSeen, s.left, s.tunnel = true, h.Length, string(h.Method) == "CONNECT"
	if end {
		c.endRecv(s)
	}
	return Event{Kind: Request, Stream: id, End: end, Head: h}, nil
}

// response begins what a server answers.
func (c *Conn) response(s *stream, end, tooLarge bool, now time.Time) (Event, *Error) {
	if tooLarge {
		return c.fail(s.id, EnhanceYourCalm, "the head of the response is too large", now)
	}
	h := &c.scratch.head
	if why := h.response(&c.scratch.fields); why != "" {
		return c.fail(s.id, ProtocolError, why, now)
	}
	c.noiseBudget.earn(earnedByHead, c.limits.Noise)
	if h.Status < 200 {
		s.interims++
		switch {
		case end:
			return c.fail(s.id, ProtocolError, "an interim response ends the stream", now)
		case s.interims > maxInterims:
			return c.fail(s.id, EnhanceYourCalm, "too many interim responses", now)
		}
		return Event{Kind: Interim, Stream: s.id, Head: h}, nil
	}
	s.headSeen = true
	switch {
	case s.noBody || h.Status == 204 || h.Status == 304:
		s.left = 0
	case s.tunnel && h.Status < 300:
		h.noLength() // RFC 9110 section 9.3.6
	default:
		s.tunnel, s.left = false, h.Length
	}
	if end && s.left > 0 {
		return c.fail(s.id, ProtocolError, "content-length promises a body and none comes", now)
	}
	id := s.id
	if end {
		c.endRecv(s)
	}
	return Event{Kind: Response, Stream: id, End: end, Head: h}, nil
}

// maxInterims bounds the interim responses to one request.
const maxInterims = 32

// trailers end a stream (section 8.1).
func (c *Conn) trailers(s *stream, end, tooLarge bool, now time.Time) (Event, *Error) {
	why := ""
	switch {
	case !end:
		why = "a second head does not end the stream"
	case s.tunnel:
		why = "trailers in a tunnel"
	case s.left > 0:
		why = "the body is shorter than content-length says"
	case tooLarge:
		why = "the trailers are too large"
	default:
		why = checkTrailers(c.scratch.fields.List)
	}
	if why != "" {
		return c.fail(s.id, ProtocolError, why, now)
	}
	id := s.id
	c.endRecv(s)
	return Event{Kind: Trailers, Stream: id, End: true, Fields: c.scratch.fields.List}, nil
}
