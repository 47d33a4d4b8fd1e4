package h2

import "fmt"

// Code is an error code of RST_STREAM and GOAWAY (RFC 9113 section 7).
type Code uint32

// The codes of the RFC.
const (
	NoError Code = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// String is the name in the RFC.
func (c Code) String() string {
	if int64(c) < int64(len(codeNames)) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// Error says why a connection ends.
type Error struct {
	Code   Code
	Reason string // for a log, without a full stop
}

// Error is the code and the reason.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Reason }

// Misuse is what a call of the driver can meet, mostly because the other side was
// faster.
type Misuse string

// Error is the text for a log.
func (m Misuse) Error() string { return string(m) }

const (
	// ErrGone tells that the stream is over, or that it is not its time: a second
	// head, a body before the head, anything after the end.
	ErrGone Misuse = "the stream is over, or takes something else now"
	// ErrBusy tells that the other side allows no more streams at the moment.
	ErrBusy Misuse = "the other side takes no more streams at the moment"
	// ErrGoingAway tells that no more streams can be opened on the connection.
	ErrGoingAway Misuse = "the connection takes no more streams"
)
