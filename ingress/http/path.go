package http

import "bytes"

// Refusals of paths that a proxy and a backend might read differently, so that
// the one is asked and the other answers.
var (
	errAboveRoot  = refuse(statusBadRequest, "the path climbs above the root by dot segments")
	errHiddenDots = refuse(statusBadRequest, "the path hides a dot segment behind escapes, backslashes or parameters")
	errEscape     = refuse(statusBadRequest, "the path holds an invalid percent escape")
	errNUL        = refuse(statusBadRequest, "the path holds a NUL byte")
)

// CleanPath returns the normal form of a path, in which it is matched and passed
// on (RFC 3986 section 6.2.2): without empty elements and dot segments, with
// unreserved characters as they are, and all others that a path may not hold,
// or that came so, as escapes in upper case. What is an escape stays one: %2F
// separates nothing, and nothing is decoded twice.
//
// A path that is in normal form already, as nearly all are, is returned as it
// is; otherwise the form is appended to dst, which must not overlap path.
func CleanPath(dst, path []byte) ([]byte, error) {
	if isClean(path) {
		return path, nil
	}
	if path[0] != '/' {
		return nil, errTarget
	}
	start := len(dst)
	for i := 0; i < len(path); {
		i++ // over the slash
		end := len(path)
		if n := bytes.IndexByte(path[i:], '/'); n >= 0 {
			end = i + n
		}
		var err error
		if dst, err = appendElement(dst, start, path[i:end]); err != nil {
			return nil, err
		}
		i = end
	}
	if len(dst) == start || endsOpen(path) {
		dst = append(dst, '/')
	}
	return dst[start:], nil
}

// isClean tells whether a path, or the * of OPTIONS, needs no change.
func isClean(path []byte) bool {
	if span(path, 0, isPath) != len(path) {
		return false
	}
	for i := 0; i+1 < len(path); i++ {
		if path[i] == '/' && (path[i+1] == '/' || path[i+1] == '.') {
			return false
		}
	}
	return !(bytes.IndexByte(path, ';') >= 0 && bytes.IndexByte(path, '.') >= 0)
}

// endsOpen tells whether a path ends with a slash, or a dot segment, which leaves
// one behind.
func endsOpen(path []byte) bool {
	last := path[bytes.LastIndexByte(path, '/')+1:]
	return len(last) == 0 || string(last) == "." || string(last) == ".."
}

// appendElement appends what stands between two slashes, after a slash of its
// own; dst[start:] is the path so far.
func appendElement(dst []byte, start int, element []byte) ([]byte, error) {
	switch string(element) {
	case "", ".":
		return dst, nil
	case "..":
		if len(dst) == start {
			return nil, errAboveRoot
		}
		return dst[:start+bytes.LastIndexByte(dst[start:], '/')], nil
	}
	dst = append(dst, '/')
	at := len(dst)
	for i := 0; i < len(element); i++ {
		c := element[i]
		escaped := c == '%'
		if escaped {
			if i+2 >= len(element) || class[element[i+1]]&class[element[i+2]]&isHex == 0 {
				return nil, errEscape
			}
			c = unhex(element[i+1])<<4 | unhex(element[i+2])
			i += 2
		}
		switch {
		case c == 0:
			return nil, errNUL
		case class[c]&isUnreserved != 0, !escaped && class[c]&isPath != 0:
			dst = append(dst, c)
		default:
			const digits = "0123456789ABCDEF"
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	if hidesDots(dst[at:]) {
		return nil, errHiddenDots
	}
	return dst, nil
}

// hidesDots tells whether some server would read a dot segment into an element
// in normal form: by decoding before it looks for them, by taking a backslash or
// an encoded slash for a separator, or by ignoring parameters after a semicolon.
func hidesDots(element []byte) bool {
	dots, others, ignored := 0, false, false
	for i := 0; i < len(element); i++ {
		c := element[i]
		if c == '%' {
			c = unhex(element[i+1])<<4 | unhex(element[i+2])
			i += 2
		}
		switch {
		case c == '/' || c == '\\':
			if !others && (dots == 1 || dots == 2) {
				return true
			}
			dots, others, ignored = 0, false, false
		case ignored:
		case c == ';':
			ignored = true
		case c == '.':
			dots++
		default:
			others = true
		}
	}
	return !others && (dots == 1 || dots == 2)
}
