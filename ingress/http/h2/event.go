package h2

import "github.com/steelyard-lb/steelyard/ingress/http/hpack"

// Kind says what an event is about.
type Kind uint8

// The kinds of events, and the fields of [Event] that each has.
const (
	// None: all that can be understood of the input has been.
	None Kind = iota
	// Request begins a stream (server): Head, End.
	Request
	// Response is the final one (client): Head, End.
	Response
	// Interim is a response with a status 1xx (client): Head.
	Interim
	// Data is a piece of a body, perhaps empty if it is the End: Data, End.
	Data
	// Trailers end a stream: Fields, End.
	Trailers
	// Reset ends a stream at once, both ways: Code, Reason, Ours. A request that
	// was refused before it became an event is told of too.
	Reset
	// Writable: there is room on a stream whose Send took less than it was given,
	// or that [Conn.Await] was called for.
	Writable
	// Settings came from the other side; [Conn.CanOpen] may have changed.
	Settings
	// GoAway: the other side takes no more streams: Code, Reason. Streams that it
	// never looked at follow as events of kind Reset with [RefusedStream].
	GoAway
	// Pong answers [Conn.Ping]: Data has its eight bytes.
	Pong
)

// Event is something that the other side did. Its slices, and the Head, are to be
// read only and live until the next call of Next, on this connection or another
// that shares the [Scratch].
type Event struct {
	Kind   Kind
	Stream uint32
	End    bool // the other side sends nothing more on the stream
	Ours   bool // the stream was reset by us: Reason says what was wrong with it
	Code   Code
	Reason string // for a log
	Head   *Head
	Fields []hpack.Field
	Data   []byte
}

// Head is what a request or response begins with. Of a response there is nothing
// but Status, Fields, Length and TooLarge.
type Head struct {
	Method, Scheme, Path []byte // Scheme and Path are empty for plain CONNECT
	// Authority is that of the pseudo-header field or, without it, of host, which
	// is never among the fields.
	Authority []byte
	Protocol  []byte // of extended CONNECT, else empty

	Status int

	Fields []hpack.Field // in their order; cookies joined to one (section 8.2.3)
	Length int64         // content-length; -1: not said

	// TooLarge tells that the fields are more than [Limits.HeaderList], and
	// nothing else is said of the request: it is to be answered with 431.
	TooLarge bool
}

// Scratch is the memory of heads while they are looked at. All connections of one
// goroutine can share one; the zero value is ready.
type Scratch struct {
	fields hpack.Fields
	head   Head
	lower  []byte // a name that came in upper case
	block  []byte // a block that does not fit one frame
}
