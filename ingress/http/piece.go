package http

// Kind says what was read.
type Kind uint8

// What a message comes in.
const (
	More    Kind = iota // nothing: more bytes are needed, or the machine waits for its driver
	GotHead             // a head, into the Request or Response given
	Data                // a piece of the body
	End                 // the message is complete; its trailers are in the head
)

// Piece is what a machine read at the beginning of a buffer.
type Piece struct {
	Kind Kind
	Used int    // bytes that are done with, whatever the kind
	Data []byte // of the body; a slice of the buffer
}
