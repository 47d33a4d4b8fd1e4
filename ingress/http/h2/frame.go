package h2

import "encoding/binary"

// frameType is the type of a frame (RFC 9113 section 6).
type frameType uint8

const (
	typeData frameType = iota
	typeHeaders
	typePriority
	typeReset
	typeSettings
	typePushPromise
	typePing
	typeGoAway
	typeWindowUpdate
	typeContinuation
)

// Flags of frames; END_STREAM and ACK are the same bit.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	headerLen = 9
	// maxFrame is the largest payload we take, which is what nobody has to be
	// told of (section 4.2), and the largest that we send.
	maxFrame  = 1 << 14
	maxWindow = 1<<31 - 1
	maxStream = 1<<31 - 1
	// startWindow is the size of windows that nobody said anything about
	// (sections 6.5.2 and 6.9.2).
	startWindow = 1<<16 - 1
)

// Preface is what a client begins a connection with (section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// IsPreface tells whether a connection that begins with b is HTTP/2 with prior
// knowledge; more means that b is too short to tell.
func IsPreface(b []byte) (yes, more bool) {
	n := min(len(b), len(Preface))
	same := string(b[:n]) == Preface[:n]
	return same && n == len(Preface), same && n < len(Preface)
}

// header is what every frame begins with (section 4.1).
type header struct {
	length uint32
	kind   frameType
	flags  uint8
	stream uint32
}

// parseHeader reads the first headerLen bytes of b. The reserved bit is ignored.
func parseHeader(b []byte) header {
	_ = b[headerLen-1]
	return header{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		kind:   frameType(b[3]),
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & maxStream,
	}
}

func (h header) has(flag uint8) bool { return h.flags&flag != 0 }

func (h header) append(dst []byte) []byte {
	dst = append(dst, byte(h.length>>16), byte(h.length>>8), byte(h.length), byte(h.kind), h.flags)
	return binary.BigEndian.AppendUint32(dst, h.stream)
}

// unpad takes the padding off the payload of a HEADERS frame, and the priority,
// which only has to be no dependency on itself (RFC 7540 section 5.3.1).
func (h header) unpad(payload []byte) ([]byte, *Error) {
	if h.has(flagPadded) {
		if len(payload) == 0 {
			return nil, &Error{FrameSizeError, "a padded frame has no room for the length of its padding"}
		}
		pad := int(payload[0])
		if payload = payload[1:]; pad > len(payload) {
			return nil, &Error{ProtocolError, "the padding is longer than its frame"}
		}
		payload = payload[:len(payload)-pad]
	}
	if h.kind == typeHeaders && h.has(flagPriority) {
		if len(payload) < 5 {
			return nil, &Error{FrameSizeError, "a HEADERS frame has no room for its priority"}
		}
		if binary.BigEndian.Uint32(payload)&maxStream == h.stream {
			return nil, &Error{ProtocolError, "a stream depends on itself"}
		}
		payload = payload[5:]
	}
	return payload, nil
}

func appendReset(dst []byte, stream uint32, code Code) []byte {
	dst = header{4, typeReset, 0, stream}.append(dst)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, stream, n uint32) []byte {
	dst = header{4, typeWindowUpdate, 0, stream}.append(dst)
	return binary.BigEndian.AppendUint32(dst, n)
}

func appendPing(dst []byte, flags uint8, data [8]byte) []byte {
	dst = header{8, typePing, flags, 0}.append(dst)
	return append(dst, data[:]...)
}

// appendGoAway appends a GOAWAY with the reason as its debug data.
func appendGoAway(dst []byte, last uint32, code Code, reason string) []byte {
	dst = header{uint32(8 + len(reason)), typeGoAway, 0, 0}.append(dst)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, reason...)
}
