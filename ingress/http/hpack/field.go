package hpack

// Field is a header field.
type Field struct {
	Name, Value []byte
	// Sensitive fields are never put into a table, here and by whoever passes
	// them on (section 7.1.3).
	Sensitive bool
}

// Size is what the field counts in a dynamic table and in a list of fields
// (section 4.1).
func (f Field) Size() int { return len(f.Name) + len(f.Value) + overhead }

const overhead = 32

// Fields is a decoded list, and the memory of its strings. One value can serve
// any number of decoders, one block after the other. The zero value is ready.
type Fields struct {
	List []Field
	text []byte
}

// Join makes one slice of several, in the memory of the list, to live as long as
// the fields. If the first is what Join made last, it is not copied again, so that
// any number of joins takes no more than the parts do.
func (f *Fields) Join(first []byte, more ...[]byte) []byte {
	from := len(f.text) - len(first)
	if !f.isLast(first) {
		from = len(f.text)
		f.text = append(f.text, first...)
	}
	for _, p := range more {
		f.text = append(f.text, p...)
	}
	return f.text[from:len(f.text):len(f.text)]
}

// isLast tells whether b is where text ends.
func (f *Fields) isLast(b []byte) bool {
	n, all := len(b), len(f.text)
	return 0 < n && n <= all && &b[n-1] == &f.text[all-1]
}

func (f *Fields) store(b []byte) []byte {
	from := len(f.text)
	f.text = append(f.text, b...)
	return f.text[from:len(f.text):len(f.text)]
}

func (f *Fields) reset() { f.List, f.text = f.List[:0], f.text[:0] }
