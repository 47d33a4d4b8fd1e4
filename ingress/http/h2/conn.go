package h2

import (
	"time"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// Conn is one connection. It is not safe for concurrent use.
type Conn struct {
	client  bool
	limits  Limits
	scratch *Scratch
	err     *Error // why it ended

	// What comes in.
	prefaced bool // the client's preface was seen
	settled  bool // the first frame, SETTINGS, was seen
	acked    bool // our SETTINGS are acknowledged
	decoder  hpack.Decoder
	part     part // a head that comes in several frames
	body     body // a DATA frame that is being given out

	// What goes out.
	out     []byte
	written int // of out
	answers int // frames in out that nothing but the other side asked for
	stalled bool
	encoder hpack.Encoder

	// Streams.
	peer     settings
	streams  map[uint32]*stream
	free     []*stream
	last     uint32 // the highest one that the client opened
	resets   resets
	refused  []uint32 // by GOAWAY, to be told as events
	drain    drain
	accepted uint32 // the last stream that we said we look at, once drain is final
	peerGone bool   // the other side sent GOAWAY

	// Flow control (section 5.2).
	sendWindow int64
	recvWindow int64
	owed       int64     // consumed, and not yet given back to the window
	waiting    []*stream // for room, the longest first
	recheck    bool      // whether some of them may have room now

	resetBudget, noiseBudget budget
}

// drain says how far a shutdown is (section 6.8).
type drain uint8

const (
	open      drain = iota
	announced       // GOAWAY for all streams there can be, until a PING went around
	final           // GOAWAY with the last stream
)

// drainPing is the payload of the PING that follows the first GOAWAY.
var drainPing = [8]byte{'s', 'h', 'u', 't', 'd', 'o', 'w', 'n'}

// NewServer returns the server's side of a connection, with its SETTINGS in the
// output. What comes in has to begin with the [Preface].
func NewServer(limits Limits, scratch *Scratch) *Conn {
	c := newConn(limits, scratch)
	limits = c.limits
	list := []setting{{settingStreams, limits.Streams}, {settingWindow, limits.StreamWindow}, {settingListSize, uint32(limits.HeaderList)}}
	if limits.ExtendedConnect {
		list = append(list, setting{settingExtendedConnect, 1})
	}
	c.greet(list)
	return c
}

// NewClient returns the client's side of a connection, with preface and SETTINGS
// in the output. Streams may be opened at once.
func NewClient(limits Limits, scratch *Scratch) *Conn {
	c := newConn(limits, scratch)
	limits = c.limits
	c.client, c.prefaced = true, true
	c.out = append(c.out, Preface...)
	c.greet([]setting{{settingPush, 0}, {settingWindow, limits.StreamWindow}, {settingListSize, uint32(limits.HeaderList)}})
	return c
}

func newConn(limits Limits, scratch *Scratch) *Conn {
	limits = limits.WithDefaults()
	return &Conn{
		limits: limits, scratch: scratch,
		decoder: hpack.NewDecoder(hpack.Limits{List: limits.HeaderList, String: limits.HeaderBlock}),
		encoder: hpack.NewEncoder(hpack.DefaultTableSize),
		peer:    startSettings(), streams: map[uint32]*stream{},
		sendWindow: startWindow, recvWindow: startWindow,
	}
}

func (c *Conn) greet(list []setting) {
	c.out = appendSettings(c.out, list...)
	if more := int64(c.limits.ConnWindow) - startWindow; more > 0 {
		c.out = appendWindowUpdate(c.out, 0, uint32(more))
		c.recvWindow += more
	}
}

// Next reads from in, which begins where the last call stopped reading, and
// returns what it understood first, with the number of bytes that are done with.
// When the event is of kind None the rest of in is to be kept and to stand before
// what is read next; unless the connection is [Conn.Stalled] it is never more than
// a frame, 16,393 bytes. The time is used to measure how often things happen.
//
// The error is an [*Error], the same again each time.
func (c *Conn) Next(in []byte, now time.Time) (ev Event, n int, err error) {
	c.stalled = false
	for c.err == nil {
		if ev, ok := c.untold(); ok {
			return ev, n, nil
		}
		ev, used, e := c.step(in[n:], now)
		if n += used; e == nil && c.answers > c.limits.Answers {
			e = &Error{EnhanceYourCalm, "frames that ask for answers come, and the answers are not read"}
		}
		if e != nil {
			c.end(e)
			break
		}
		if ev.Kind != None || used == 0 {
			return ev, n, nil
		}
	}
	return Event{}, n, c.err
}

// untold returns an event that follows from what was read before.
func (c *Conn) untold() (Event, bool) {
	for len(c.refused) > 0 {
		id := c.refused[0]
		c.refused = c.refused[1:]
		if s := c.streams[id]; s != nil {
			c.drop(s)
			return Event{Kind: Reset, Stream: id, Code: RefusedStream, Reason: "the other side goes away and never looked at the stream"}, true
		}
	}
	if !c.recheck {
		return Event{}, false
	}
	for i, s := range c.waiting {
		if c.room(s) > 0 {
			s.waiting = false
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return Event{Kind: Writable, Stream: s.id}, true
		}
	}
	c.recheck = false
	return Event{}, false
}

// step reads one frame, or a piece of one that carries DATA. Nothing is read if
// in is too short.
func (c *Conn) step(in []byte, now time.Time) (ev Event, n int, err *Error) {
	switch {
	case !c.prefaced:
		n, err = c.readPreface(in)
		return Event{}, n, err
	case c.body.open:
		ev, n = c.nextData(in)
		return ev, n, nil
	case len(in) < headerLen:
		return Event{}, 0, nil
	}
	h := parseHeader(in)
	if err := c.admit(h); err != nil {
		return Event{}, 0, err
	}
	if h.kind == typeData {
		return c.beginData(h, in, now)
	}
	if n = headerLen + int(h.length); len(in) < n {
		return Event{}, 0, nil
	}
	if h.kind == typeHeaders && !c.client && c.idle(h.stream) && c.pending() >= c.limits.Output {
		c.stalled = true
		return Event{}, 0, nil
	}
	ev, err = c.frame(h, in[headerLen:n], now)
	return ev, n, err
}

func (c *Conn) readPreface(in []byte) (n int, err *Error) {
	yes, more := IsPreface(in)
	switch {
	case yes:
		c.prefaced = true
		return len(Preface), nil
	case more:
		return 0, nil
	}
	return 0, &Error{ProtocolError, "the connection does not begin with the preface of HTTP/2"}
}

// admit looks at what can be said of a frame before it is there.
func (c *Conn) admit(h header) *Error {
	switch {
	case h.length > maxFrame:
		return &Error{FrameSizeError, "a frame is larger than 16,384 bytes"}
	case !c.settled && (h.kind != typeSettings || h.has(flagAck)):
		return &Error{ProtocolError, "the first frame is not SETTINGS"}
	case c.part.stream != 0 && (h.kind != typeContinuation || h.stream != c.part.stream):
		return &Error{ProtocolError, "another frame comes before the end of a head"}
	case c.part.stream == 0 && h.kind == typeContinuation:
		return &Error{ProtocolError, "a CONTINUATION frame continues nothing"}
	}
	return nil
}

// frame acts on a whole frame that does not carry DATA.
func (c *Conn) frame(h header, payload []byte, now time.Time) (Event, *Error) {
	switch h.kind {
	case typeHeaders:
		return c.headers(h, payload, now)
	case typeContinuation:
		return c.continuation(h, payload, now)
	case typeReset:
		return c.reset(h, payload, now)
	case typePushPromise:
		return Event{}, &Error{ProtocolError, "PUSH_PROMISE, which is not allowed here"}
	}
	if !c.noiseBudget.spend(now, c.limits.Noise) {
		return Event{}, &Error{EnhanceYourCalm, "too many frames that carry nothing"}
	}
	switch h.kind {
	case typeSettings:
		return c.settings(h, payload)
	case typePing:
		return c.ping(h, payload)
	case typeGoAway:
		return c.goAway(h, payload)
	case typeWindowUpdate:
		return c.windowUpdate(h, payload, now)
	case typePriority:
		return Event{}, checkPriority(h, payload)
	}
	return Event{}, nil // of a type that nobody here knows (section 4.1)
}

// end ends the connection.
func (c *Conn) end(e *Error) {
	c.err = e
	c.out = appendGoAway(c.out, c.lastAccepted(), e.Code, e.Reason)
}

func (c *Conn) lastAccepted() uint32 {
	switch {
	case c.client:
		return 0
	case c.drain == final:
		return c.accepted
	}
	return c.last
}

// fail ends a stream for what the other side did to it. The stream may be one
// that is not there.
func (c *Conn) fail(id uint32, code Code, reason string, now time.Time) (Event, *Error) {
	if !c.client && !c.resetBudget.spend(now, c.limits.Resets) {
		return Event{}, &Error{EnhanceYourCalm, "too many streams had to be reset, the last because " + reason}
	}
	c.answers++
	c.cancel(id, code)
	return Event{Kind: Reset, Stream: id, Ours: true, Code: code, Reason: reason}, nil
}

// cancel resets a stream.
func (c *Conn) cancel(id uint32, code Code) {
	c.out = appendReset(c.out, id, code)
	s := c.streams[id]
	if s == nil || !s.recvEnded {
		c.forget(id, s)
	}
	if s != nil {
		c.drop(s)
	}
}

// forget lets what the other side still sends on a stream, if there ever was one,
// be ignored.
func (c *Conn) forget(id uint32, s *stream) {
	window := int64(c.limits.StreamWindow)
	if s != nil {
		window = s.recvWindow
	}
	c.resets.add(resetStream{id, true, window}, int(c.limits.Streams))
}

// Output is what is to be written. Its bytes stay as they are until [Conn.Wrote],
// so that a driver may write them while other calls append more.
func (c *Conn) Output() []byte { return c.out[c.written:] }

func (c *Conn) pending() int { return len(c.out) - c.written }

// Stalled tells that Next may have more to say although nothing is read: the
// output is to be written, and Next to be called again, before more is read.
//
// Either what was written made room for streams that wait for some. The other side
// has perhaps all the windows it wants open, and waits for them in turn.
//
// Or a server leaves the next request alone, although it is there, because too much
// output waits. Else who asks and never reads could have any number of answers wait.
// A client takes in all there is, so that two ends cannot wait for each other.
func (c *Conn) Stalled() bool { return c.stalled || c.recheck }

// Wrote notes that the first n bytes of the output went out.
func (c *Conn) Wrote(n int) {
	c.written += n
	c.recheck = len(c.waiting) > 0
	switch left := len(c.out) - c.written; {
	case left == 0:
		c.out, c.written, c.answers = c.out[:0], 0, 0
	case c.written >= left:
		c.out, c.written = append(c.out[:0], c.out[c.written:]...), 0
		c.answers /= 2 // at least half of the bytes went out, and about as many answers
	}
}

// Lend gives the connection memory for its output, for as long as there is some.
// It is not taken, and false returned, if output is there already.
func (c *Conn) Lend(memory []byte) bool {
	if len(c.out) > 0 {
		return false
	}
	c.out = memory[:0]
	return true
}

// Reclaim takes the memory of the output away, which may have grown; nil if there
// is output.
func (c *Conn) Reclaim() []byte {
	if len(c.out) > 0 {
		return nil
	}
	memory := c.out
	c.out = nil
	return memory
}

// Use has the connection take other memory for heads, as where it is not one goroutine's
// alone any more.
func (c *Conn) Use(scratch *Scratch) { c.scratch = scratch }

// Streams is the number of streams that are not over.
func (c *Conn) Streams() int { return len(c.streams) }

// Ready tells whether the other side has acknowledged our SETTINGS. One that
// never does may be closed with [SettingsTimeout] (section 6.5.3).
func (c *Conn) Ready() bool { return c.acked }

// Done tells whether the connection serves no stream and never will: it is to be
// closed once the output is written.
func (c *Conn) Done() bool {
	return c.err != nil || len(c.streams) == 0 && (c.drain == final || c.client && c.peerGone)
}
