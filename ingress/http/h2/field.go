package h2

import (
	"bytes"
	"encoding/binary"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// What a byte may be part of.
const (
	isToken  = 1 << iota // a method (RFC 9110 section 5.6.2)
	isName               // the name of a field: a token without upper-case letters
	isTarget             // a request target: no blank, control or #
	isHost               // a host, as DNS and IPv4 have it: no list, nothing escaped
	isLegal              // the value of a field: no control but HT
)

var class = classify()

func classify() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		lower := 'a' <= c && c <= 'z'
		alnum := lower || 'A' <= c && c <= 'Z' || isDigit(c)
		if alnum || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0 {
			t[i] |= isToken
			if lower || c < 'A' || c > 'Z' {
				t[i] |= isName
			}
		}
		if c > ' ' && c != 0x7f && c != '#' {
			t[i] |= isTarget
		}
		if alnum || bytes.IndexByte([]byte("-._~"), c) >= 0 {
			t[i] |= isHost
		}
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[i] |= isLegal
		}
	}
	return t
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// all tells whether all bytes are of a class.
func all(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// isValue tells whether b may be the value of a field (RFC 9113 section 8.2.1,
// RFC 9110 section 5.5). It looks at eight bytes at once, and at each where one
// of the eight may be a control.
func isValue(b []byte) bool {
	if len(b) > 0 && (isBlank(b[0]) || isBlank(b[len(b)-1])) {
		return false
	}
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		d := w ^ ones*0x7f
		if ((w-ones*' ')&^w|(d-ones)&^d)&tops != 0 && !all(b[:8], isLegal) {
			return false
		}
	}
	return all(b, isLegal)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isAuthority tells whether b is a host, with or without a port, and nobody's
// name before it (section 8.3.1).
func isAuthority(b []byte) bool {
	host, port := b, []byte(nil)
	if len(b) > 0 && b[0] == '[' { // IPv6
		end := bytes.IndexByte(b, ']')
		if end < 3 {
			return false
		}
		for _, c := range b[1:end] {
			if !isDigit(c) && !('a' <= c|0x20 && c|0x20 <= 'f') && c != ':' && c != '.' {
				return false
			}
		}
		host, port = nil, b[end+1:]
	} else if i := bytes.IndexByte(b, ':'); i >= 0 {
		host, port = b[:i], b[i:]
	}
	if len(b) == 0 || len(host) == 0 && b[0] != '[' || !all(host, isHost) {
		return false
	}
	if len(port) == 0 {
		return true
	}
	if port[0] != ':' || len(port) < 2 || len(port) > 6 {
		return false
	}
	for _, c := range port[1:] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// hasPort tells whether an authority names a port.
func hasPort(authority []byte) bool {
	return len(authority) > 1 && isDigit(authority[len(authority)-1]) && bytes.IndexByte(authority, ':') >= 0 &&
		bytes.LastIndexByte(authority, ':') > bytes.LastIndexByte(authority, ']')
}

// what says what a field is about, of those that matter here.
type what uint8

const (
	fieldOther what = iota
	fieldHost
	fieldLength
	fieldCookie
)

// checkField tells what a field that came is, or why it may not be there.
func checkField(f hpack.Field) (w what, why string) {
	switch {
	case len(f.Name) == 0:
		return w, "a field has no name"
	case f.Name[0] == ':':
		return w, "a pseudo-header field comes after others, or among trailers"
	case !all(f.Name, isName):
		return w, "the name of a field has an upper-case letter, or what no name may have"
	case !isValue(f.Value):
		return w, "the value of a field has a control character, or a blank at an end"
	}
	switch string(f.Name) {
	case "host":
		return fieldHost, ""
	case "content-length":
		return fieldLength, ""
	case "cookie":
		return fieldCookie, ""
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return w, "a field that is about a connection of HTTP/1.1"
	case "te":
		if !bytes.EqualFold(f.Value, trailersToken) {
			return w, "te is something else than trailers"
		}
	case "content_length", "transfer_encoding":
		// Programs that read fields from environment variables take it for the real one.
		return w, "a field name has an underscore where a well-known one has a hyphen"
	}
	return fieldOther, ""
}

var trailersToken = []byte("trailers")

// parseLength reads a content-length: digits alone (RFC 9110 section 8.6).
func parseLength(v []byte) (n int64) {
	if len(v) == 0 || len(v) > 18 { // 18 digits fit an int64
		return unsaid
	}
	for _, c := range v {
		if !isDigit(c) {
			return unsaid
		}
		n = n*10 + int64(c-'0')
	}
	return n
}
