package http

// Limits bound what is accepted of a message. They are counted in bytes if
// nothing else is said.
type Limits struct {
	Line      int // of the start line, and of each field line: 414 and 431
	Head      int // of start line and fields together: 431
	Fields    int // number of fields: 431
	Extension int // of the extensions of all chunks of a body together
	Trailer   int // of the trailer section of a chunked body
}

// DefaultLimits suit browsers and most applications.
func DefaultLimits() Limits {
	return Limits{Line: 16 << 10, Head: 64 << 10, Fields: 128, Extension: 4 << 10, Trailer: 8 << 10}
}

// maxOptions bounds the options that Connection fields list, empty and well-known
// ones included, for each is compared with each field.
const maxOptions = 16

// maxInterim bounds the interim responses to one request.
const maxInterim = 32
