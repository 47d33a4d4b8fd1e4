package route

import (
	"errors"
	"strings"
)

// What makes a path unfit for matching: the proxy and a backend might not
// agree on what it means, so that one is asked and the other answers.
var (
	ErrNotAbsolute = errors.New("the path does not begin with /")
	ErrAboveRoot   = errors.New("the path climbs above the root by dot segments")
	ErrHiddenDots  = errors.New("the path hides a dot segment behind escapes, backslashes or parameters")
	ErrEscape      = errors.New("the path holds an invalid percent escape")
	ErrNUL         = errors.New("the path holds a NUL byte")
)

// CleanPath returns the form of an escaped URL path that routes are matched
// against: percent escapes decoded, empty elements and dot segments removed
// (RFC 3986 section 6.2.2). %2F and %25 stay escaped, so that an encoded slash
// is no separator and nothing is decoded twice. A path that is already clean
// is returned as it is, without an allocation; the empty path is "/".
//
// The errors are those of this package; such a request deserves a 400.
func CleanPath(escaped string) (string, error) {
	if escaped == "" {
		return "/", nil
	}
	if escaped[0] != '/' {
		return "", ErrNotAbsolute
	}
	if isPlain(escaped) {
		return escaped, nil
	}
	var kept []string
	rest, last := escaped[1:], false
	for !last {
		var element string
		var more bool
		element, rest, more = strings.Cut(rest, "/")
		last = !more
		var err error
		if kept, err = addElement(kept, element, last); err != nil {
			return "", err
		}
	}
	return "/" + strings.Join(kept, "/"), nil
}

// isPlain tells whether an absolute path needs no cleaning.
func isPlain(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '%', '\\', 0:
			return false
		case '/':
			if i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
				return false
			}
		}
	}
	return true
}

// addElement adds one element of a path to those kept. At the end of a path
// an empty element or a dot segment leaves a slash behind, which Exact paths
// look at.
func addElement(kept []string, element string, last bool) ([]string, error) {
	switch element {
	case "", ".":
	case "..":
		if len(kept) == 0 {
			return nil, ErrAboveRoot
		}
		kept = kept[:len(kept)-1]
	default:
		clean, err := cleanElement(element)
		if err != nil {
			return nil, err
		}
		return append(kept, clean), nil
	}
	if last && len(kept) > 0 {
		kept = append(kept, "")
	}
	return kept, nil
}

// cleanElement decodes what stands between two slashes.
func cleanElement(element string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(element); i++ {
		c := element[i]
		if c == '%' {
			if i+2 >= len(element) || unhex(element[i+1]) < 0 || unhex(element[i+2]) < 0 {
				return "", ErrEscape
			}
			c = byte(unhex(element[i+1])<<4 | unhex(element[i+2]))
			i += 2
			switch c {
			case '/':
				b.WriteString("%2F")
				continue
			case '%':
				b.WriteString("%25")
				continue
			}
		}
		if c == 0 {
			return "", ErrNUL
		}
		b.WriteByte(c)
	}
	if hidesDots(b.String()) {
		return "", ErrHiddenDots
	}
	return b.String(), nil
}

// hidesDots tells whether some server would read a dot segment into a decoded
// element: by decoding before it looks for them, by taking a backslash or an
// encoded slash for a separator, or by ignoring parameters after a semicolon.
func hidesDots(element string) bool {
	if !strings.Contains(element, ".") {
		return false
	}
	for _, piece := range strings.Split(strings.ReplaceAll(element, "%2F", `\`), `\`) {
		piece, _, _ = strings.Cut(piece, ";")
		if piece == "." || piece == ".." {
			return true
		}
	}
	return false
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
