package http

import (
	"encoding/binary"
	"math/bits"
)

// What a byte may be part of.
const (
	isToken      = 1 << iota // a method or the name of a field (RFC 9110 section 5.6.2)
	isTarget                 // a request target: all but blanks, controls and the fragment's #
	isHost                   // the host of an authority, as DNS and IPv4 have it
	isPath                   // a path: pchar of RFC 3986 but %, and /
	isHex                    // a hexadecimal digit
	isUnreserved             // RFC 3986 section 2.3
)

var class = classify()

func classify() (t [256]uint8) {
	for c := range 256 {
		alpha := 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80
		digit := '0' <= c && c <= '9'
		alnum := alpha || digit
		t[c] |= flag(alnum || among("!#$%&'*+-.^_`|~", c), isToken)
		t[c] |= flag(c > ' ' && c != 0x7f && c != '#', isTarget)
		t[c] |= flag(alnum || among("-._~", c), isHost|isUnreserved)
		t[c] |= flag(alnum || among("-._~!$&'()*+,;=:@/", c), isPath)
		t[c] |= flag(digit || alpha && c|0x20 <= 'f', isHex)
	}
	return t
}

func flag(is bool, f uint8) uint8 {
	if is {
		return f
	}
	return 0
}

func among(set string, c int) bool {
	for i := range len(set) {
		if int(set[i]) == c {
			return true
		}
	}
	return false
}

// span is the index of the first byte of b, from i on, that is not of class f.
func span(b []byte, i int, f uint8) int {
	for i < len(b) && class[b[i]]&f != 0 {
		i++
	}
	return i
}

func all(b []byte, f uint8) bool { return span(b, 0, f) == len(b) }

// control is the index of the first control byte of b, from i on, save HT; len(b)
// if there is none. It looks at eight bytes at once: the lowest bit that is set
// in under or del is exact, for a borrow only ever runs upwards from a hit.
func control(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		under := (w - ones*0x20) &^ w
		d := w ^ ones*0x7f
		del := (d - ones) &^ d
		hits := (under | del) & tops
		if hits == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hits) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && (b[i] >= ' ' && b[i] != 0x7f || b[i] == '\t') {
		i++
	}
	return i
}

// fold compares a name with one in lower case, and tells whether they differ in
// nothing but letter case and in that an underscore stands for a hyphen.
func fold(name []byte, lower string) (same, underscored bool) {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c == '_' && lower[i] == '-' {
			c, underscored = '-', true
		}
		if c != lower[i] {
			return false, false
		}
	}
	return true, underscored
}

// is tells whether b is a word, in whatever case; lower is in lower case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// sameFold compares two words of ASCII without regard to case.
func sameFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x |= 0x20
		}
		if 'A' <= y && y <= 'Z' {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}

// trim takes blanks off both ends (OWS of RFC 9110 section 5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// unhex is the value of a hexadecimal digit.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
