package h2

import "github.com/steelyard-lb/steelyard/ingress/http/hpack"

var (
	nameMethod    = []byte(":method")
	nameScheme    = []byte(":scheme")
	nameAuthority = []byte(":authority")
	namePath      = []byte(":path")
	nameProtocol  = []byte(":protocol")
	nameStatus    = []byte(":status")
)

// CanOpen is how many streams may be opened now.
func (c *Conn) CanOpen() int {
	if !c.takesMore() {
		return 0
	}
	return max(0, min(int(c.peer.streams), int(c.limits.Streams))-len(c.streams))
}

func (c *Conn) takesMore() bool {
	return c.client && c.err == nil && !c.peerGone && c.drain == open && c.last < maxStream-1
}

// ExtendedConnect tells whether the server takes extended CONNECT.
func (c *Conn) ExtendedConnect() bool { return c.peer.extended }

// Open sends the head of a request and returns its stream. End tells that there
// is no body. What is said at [Conn.Respond] of fields goes here too.
func (c *Conn) Open(h *Head, end bool) (id uint32, err error) {
	switch {
	case !c.takesMore():
		return 0, ErrGoingAway
	case c.CanOpen() == 0:
		return 0, ErrBusy
	}
	c.last += 1 + c.last%2 // 1, 3, 5 …
	c.noiseBudget.earn(earnedByHead, c.limits.Noise)
	s := c.add(c.last)
	s.headSent = true
	s.tunnel, s.noBody = string(h.Method) == "CONNECT", string(h.Method) == "HEAD"
	at := c.beginHead()
	c.field(nameMethod, h.Method)
	c.field(nameScheme, h.Scheme)
	c.field(nameAuthority, h.Authority)
	c.field(namePath, h.Path)
	c.field(nameProtocol, h.Protocol)
	c.endHead(at, s.id, h.Fields, end)
	if id = s.id; end {
		c.endSend(s)
	}
	return id, nil
}

// Respond sends the head of a response: an interim one if the status is 1xx, when
// more will follow. End tells that there is no body.
//
// The fields are those of a message that was checked when it was read, over
// whatever version of HTTP. Names are sent in lower case; fields that are about a
// connection of HTTP/1.1, and host, are left out.
func (c *Conn) Respond(id uint32, status int, fields []hpack.Field, end bool) error {
	s := c.sending(id, false)
	if s == nil {
		return ErrGone
	}
	s.headSent = status >= 200
	at := c.beginHead()
	digits := [3]byte{'0' + byte(status/100%10), '0' + byte(status/10%10), '0' + byte(status%10)}
	c.field(nameStatus, digits[:])
	c.endHead(at, id, fields, end)
	if end {
		c.endSend(s)
	}
	return nil
}

// sending is the stream, if something is to be sent on it that comes after, or
// not after, the head.
func (c *Conn) sending(id uint32, afterHead bool) *stream {
	s := c.streams[id]
	if s == nil || s.sendEnded || s.headSent != afterHead || c.err != nil {
		return nil
	}
	return s
}

// Trailers sends the fields that end a stream.
func (c *Conn) Trailers(id uint32, fields []hpack.Field) error {
	s := c.sending(id, true)
	if s == nil {
		return ErrGone
	}
	c.endHead(c.beginHead(), id, fields, true)
	c.endSend(s)
	return nil
}

// beginHead leaves room for the header of a frame and returns where it is.
func (c *Conn) beginHead() (at int) {
	at = len(c.out)
	c.out = c.encoder.Begin(header{}.append(c.out))
	return at
}

// field appends a pseudo-header field, if it is there.
func (c *Conn) field(name, value []byte) {
	if len(value) > 0 {
		c.out = c.encoder.Append(c.out, hpack.Field{Name: name, Value: value})
	}
}

// endHead appends the fields and fills in the header of the frame that begins at
// at; of the frames, if there have to be several.
func (c *Conn) endHead(at int, id uint32, fields []hpack.Field, end bool) {
	for _, f := range fields {
		f.Name = c.scratch.lowered(f.Name)
		if travels(f) {
			c.out = c.encoder.Append(c.out, f)
		}
	}
	h := header{kind: typeHeaders, stream: id}
	if end {
		h.flags = flagEndStream
	}
	block := c.out[at+headerLen:]
	if len(block) > maxFrame {
		c.scratch.block = append(c.scratch.block[:0], block...)
		block, c.out = c.scratch.block, c.out[:at]
		for ; len(block) > maxFrame; block = block[maxFrame:] {
			h.length = maxFrame
			c.out = append(h.append(c.out), block[:maxFrame]...)
			h.kind, h.flags = typeContinuation, 0
		}
		at = len(c.out)
		c.out = append(header{}.append(c.out), block...)
	}
	h.length, h.flags = uint32(len(block)), h.flags|flagEndHeaders
	h.append(c.out[:at])
}

// lowered is a name in lower case.
func (s *Scratch) lowered(name []byte) []byte {
	for i, c := range name {
		if c < 'A' || c > 'Z' {
			continue
		}
		s.lower = append(s.lower[:0], name...)
		for ; i < len(s.lower); i++ {
			if c := s.lower[i]; 'A' <= c && c <= 'Z' {
				s.lower[i] = c | 0x20
			}
		}
		return s.lower
	}
	return name
}

// travels tells whether a field may be sent over HTTP/2 (RFC 9113 section 8.2.2).
func travels(f hpack.Field) bool {
	switch string(f.Name) {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings", "host":
		return false
	case "te":
		return string(f.Value) == "trailers"
	}
	return true
}

// room is how much may be sent on a stream now.
func (c *Conn) room(s *stream) int {
	return int(max(0, min(c.sendWindow, s.sendWindow, int64(c.limits.Output-c.pending()))))
}

// Room is how many bytes Send would take now; 0 if the stream is over.
func (c *Conn) Room(id uint32) int {
	s := c.sending(id, true)
	if s == nil {
		return 0
	}
	return c.room(s)
}

// Await asks for an event of kind Writable when there is room on the stream,
// which may be at once.
func (c *Conn) Await(id uint32) {
	if s := c.sending(id, true); s != nil {
		c.await(s)
		c.recheck = true
	}
}

func (c *Conn) await(s *stream) {
	if !s.waiting {
		s.waiting = true
		c.waiting = append(c.waiting, s)
	}
}

// Send sends what there is room for of a body, and returns how much that was. If
// it was all, and end is set, the stream is ended. If not, an event of kind
// Writable will tell when to go on with the rest.
func (c *Conn) Send(id uint32, data []byte, end bool) (n int, err error) {
	s := c.sending(id, true)
	if s == nil {
		return 0, ErrGone
	}
	n = min(len(data), c.room(s))
	end = end && n == len(data)
	if n < len(data) {
		c.await(s)
	}
	s.sendWindow -= int64(n)
	c.sendWindow -= int64(n)
	for rest := data[:n]; ; {
		k := min(len(rest), maxFrame)
		h := header{uint32(k), typeData, 0, id}
		if end && k == len(rest) {
			h.flags = flagEndStream
		} else if k == 0 {
			break
		}
		c.out = append(h.append(c.out), rest[:k]...)
		c.noiseBudget.earn(earnedBySend, c.limits.Noise)
		if rest = rest[k:]; len(rest) == 0 {
			break
		}
	}
	if end {
		c.endSend(s)
	}
	return n, nil
}

// Reset ends a stream at once, both ways. After a response that came to its end
// before the request did, the code is [NoError] (section 8.1).
func (c *Conn) Reset(id uint32, code Code) {
	if c.streams[id] != nil {
		c.cancel(id, code)
	}
}

// Ping sends eight bytes, which an event of kind Pong brings back.
func (c *Conn) Ping(data [8]byte) { c.out = appendPing(c.out, 0, data) }

// Shutdown begins to end the connection without losing a request (section 6.8):
// the other side is asked to open no more streams. Those that are under way
// before it heard of that are served; when it has, by a PING that went around,
// the last stream is said. [Conn.Done] tells when all are over. A client has
// nothing to wait for.
func (c *Conn) Shutdown() {
	switch {
	case c.err != nil || c.drain != open:
	case c.client:
		c.GoAway(NoError, "")
	default:
		c.drain = announced
		c.out = appendGoAway(c.out, maxStream, NoError, "")
		c.Ping(drainPing)
	}
}

// GoAway takes no more streams from now on, and says so; those that there are go
// on. The reason is for the other side's log.
func (c *Conn) GoAway(code Code, reason string) {
	if c.err != nil || c.drain == final {
		return
	}
	c.accepted, c.drain = c.lastAccepted(), final
	c.out = appendGoAway(c.out, c.accepted, code, reason)
}
