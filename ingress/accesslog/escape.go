package accesslog

import "unicode/utf8"

type text interface{ ~string | ~[]byte }

// isPlain tells whether a value of logfmt can do without quotes.
func isPlain[T text](value T) bool {
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return len(value) > 0
}

// appendQuoted appends a value between quotes, as JSON has it, which logfmt reads as
// well. What is no UTF-8 becomes U+FFFD.
func appendQuoted[T text](dst []byte, value T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(value); {
		c := value[i]
		if c < utf8.RuneSelf {
			dst = appendJSONByte(dst, c)
			i++
			continue
		}
		r, size := decode(value, i)
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return append(dst, '"')
}

func appendJSONByte(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c < ' ' || c == 0x7f:
		return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
	return append(dst, c)
}

// decode reads a rune that is not ASCII.
func decode[T text](value T, at int) (rune, int) {
	var some [utf8.UTFMax]byte
	n := copy(some[:], string(value[at:min(at+utf8.UTFMax, len(value))]))
	return utf8.DecodeRune(some[:n])
}

// appendEscaped appends what stands between quotes in the combined format: as nginx
// does it, quotes, backslashes and all that is not printable ASCII become \xHH.
func appendEscaped(dst, value []byte) []byte {
	for _, c := range value {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			dst = append(dst, '\\', 'x', upper[c>>4], upper[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

const digits, upper = "0123456789abcdef", "0123456789ABCDEF"
