package convert

import (
	"bytes"
	"iter"
)

// documents are the parts of a YAML stream, each without the line that
// separates it from the one before.
func documents(text []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		n, start := 0, 0
		for at := 0; at < len(text); {
			end := lineEnd(text, at)
			if isSeparator(text[at:end]) {
				if !yield(n, text[start:at]) {
					return
				}
				n, start = n+1, end
			}
			at = end
		}
		yield(n, text[start:])
	}
}

// lineEnd is where the line that begins at `at` ends, its newline included.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

// isSeparator reports whether a line is three dashes, and a comment at most.
func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	trimmed := bytes.TrimSpace(rest)
	return ok && (len(trimmed) == 0 || len(trimmed) < len(rest) && trimmed[0] == '#' && rest[0] != '#')
}

// separated is a document with the line before it, and with one newline at its
// end.
func separated(doc []byte) []byte {
	return append(append([]byte("---\n"), bytes.Trim(doc, "\n")...), '\n')
}
