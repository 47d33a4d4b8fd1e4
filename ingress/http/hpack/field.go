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
// the fields.
func (f *Fields) Join(parts ...[]byte) []byte {
	from := len(f.text)
	for _, p := range parts {
		f.text = append(f.text, p...)
	}
	return f.text[from:len(f.text):len(f.text)]
}

func (f *Fields) store(b []byte) []byte {
	from := len(f.text)
	f.text = append(f.text, b...)
	return f.text[from:len(f.text):len(f.text)]
}

func (f *Fields) reset() { f.List, f.text = f.List[:0], f.text[:0] }
