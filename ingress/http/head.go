package http

import "errors"

// errShort tells that a head is not complete. It never leaves the package.
var errShort = errors.New("the head is not complete")

// Lengths of a body that are no number of bytes.
const (
	Chunked    = -1 // in chunks (RFC 9112 section 7.1)
	UntilClose = -2 // until the connection ends; of responses alone
)

// Head is what requests and responses have in common.
type Head struct {
	Minor  int     // 1 for HTTP/1.1, 0 for HTTP/1.0
	Fields []Field // in their order
	Length int64   // of the body: a number of bytes, [Chunked] or [UntilClose]

	// Trailers are the fields after a chunked body, once it ended. Those that
	// must not be there, for they say how to read a message or who sent it, are
	// left out (RFC 9110 section 6.5.1).
	Trailers []Field

	has       Set
	close     bool // Connection: close
	keep      bool // Connection: keep-alive
	upgrade   bool // Connection: upgrade
	trailers  bool // TE: trailers
	options   int  // how many items the lists of Connection fields have
	hops      bool // Connection fields name others
	chunked   bool
	length    int64  // Content-Length, if there is one
	host      []byte // the field Host
	upgradeTo []byte // the field Upgrade
}

// Get is the value of the first field with this ID that is not for this hop alone;
// nil if there is none.
func (h *Head) Get(id ID) []byte {
	if !h.has.Has(id) {
		return nil
	}
	for i := range h.Fields {
		if h.Fields[i].ID == id && !h.Fields[i].hop {
			return h.Fields[i].Value
		}
	}
	return nil
}

// AppendItems appends the values of all fields with this ID that are not for this
// hop alone, each with a comma after it, for a list that goes on.
func (h *Head) AppendItems(dst []byte, id ID) []byte {
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == id && !f.hop && len(f.Value) > 0 {
			dst = append(append(dst, f.Value...), ", "...)
		}
	}
	return dst
}

// empty is a head that keeps the memory of h.
func (h *Head) empty() Head { return Head{Fields: h.Fields[:0], Trailers: h.Trailers[:0]} }

// parseRest reads the fields of a head whose first line ends before b[i:], and
// returns the length of the head.
func (h *Head) parseRest(b []byte, i int, lim *Limits) (int, error) {
	n, err := h.parseFields(b, i, lim)
	if err != nil {
		return 0, err
	}
	if n > lim.Head {
		return 0, tooLongHead(lim)
	}
	return n, nil
}

func tooManyFields(lim *Limits) error {
	return refuse(statusFieldsTooLarge, "the message has more than %d fields", lim.Fields)
}

func tooLongHead(lim *Limits) error {
	return refuse(statusFieldsTooLarge, "the head is longer than %d bytes", lim.Head)
}

// parseFields reads field lines from b[i:] up to the empty line that ends them
// (RFC 9112 section 5), and returns the index after it.
func (h *Head) parseFields(b []byte, i int, lim *Limits) (int, error) {
	for {
		if i >= len(b) {
			return 0, errShort
		}
		if b[i] == '\r' {
			switch {
			case i+1 == len(b):
				return 0, errShort
			case b[i+1] != '\n':
				return 0, errBareCR
			}
			return i + 2, h.settle()
		}
		f, next, err := parseField(b, i, lim)
		if err != nil {
			return 0, err
		}
		if len(h.Fields) == lim.Fields {
			return 0, tooManyFields(lim)
		}
		if f.ID != Other {
			if err := h.note(&f); err != nil {
				return 0, err
			}
		}
		h.Fields = append(h.Fields, f)
		i = next
	}
}

// Refusals without details are made once.
var (
	errBareCR      = refuse(statusBadRequest, "a CR stands without LF")
	errBareLF      = refuse(statusBadRequest, "a LF stands without CR")
	errFolded      = refuse(statusBadRequest, "a field is folded over several lines, which is obsolete")
	errControl     = refuse(statusBadRequest, "the head holds a control character")
	errNoName      = refuse(statusBadRequest, "a field has no name")
	errNoColon     = refuse(statusBadRequest, "a field name is not followed by its colon, or holds what no name may")
	errUnderscore  = refuse(statusBadRequest, "a field name has underscores where a well-known one has hyphens")
	errTwice       = refuse(statusBadRequest, "Host, Content-Length or Transfer-Encoding is there twice")
	errLength      = refuse(statusBadRequest, "Content-Length is not one number of bytes")
	errBothLengths = refuse(statusBadRequest, "both Content-Length and Transfer-Encoding say how long the body is")
	errOptions     = refuse(statusBadRequest, "the field Connection lists more than %d options", maxOptions)
	errOption      = refuse(statusBadRequest, "the field Connection does not list names")
)

// parseField reads the line at b[i:] and returns the index after it.
func parseField(b []byte, i int, lim *Limits) (f Field, next int, err error) {
	colon := span(b, i, isToken)
	if colon == len(b) {
		return f, 0, shortOrLong(colon-i, lim)
	}
	if b[colon] != ':' || colon == i {
		return f, 0, misnamed(b, i, colon)
	}
	end := control(b, colon+1)
	if end-i > lim.Line {
		return f, 0, tooLongField(lim)
	}
	switch {
	case end == len(b) || end+1 == len(b) && b[end] == '\r':
		return f, 0, errShort
	case b[end] == '\n':
		return f, 0, errBareLF
	case b[end] != '\r':
		return f, 0, errControl
	case b[end+1] != '\n':
		return f, 0, errBareCR
	}
	f.Name, f.Value = b[i:colon:colon], trim(b[colon+1:end:end])
	var underscored bool
	if f.ID, underscored = identify(f.Name); underscored {
		return f, 0, errUnderscore
	}
	return f, end + 2, nil
}

func shortOrLong(n int, lim *Limits) error {
	if n > lim.Line {
		return tooLongField(lim)
	}
	return errShort
}

func tooLongField(lim *Limits) error {
	return refuse(statusFieldsTooLarge, "a field is longer than %d bytes", lim.Line)
}

// misnamed says what is wrong with a line that has b[at] where the colon after
// its name should be.
func misnamed(b []byte, start, at int) error {
	switch c := b[at]; {
	case at == start && (c == ' ' || c == '\t'):
		return errFolded
	case c == '\n':
		return errBareLF
	case c == '\r':
		switch {
		case at+1 == len(b):
			return errShort
		case b[at+1] != '\n':
			return errBareCR
		}
		return errNoColon
	case c == ':':
		return errNoName
	case c < ' ' && c != '\t' || c == 0x7f:
		return errControl
	}
	return errNoColon
}

// note takes in what a known field says of the message as such.
func (h *Head) note(f *Field) error {
	if once.Has(f.ID) && h.has.Has(f.ID) {
		return errTwice
	}
	h.has |= 1 << f.ID
	switch f.ID {
	case Connection:
		return h.noteOptions(f.Value)
	case ContentLength:
		var ok bool
		if h.length, ok = parseLength(f.Value); !ok {
			return errLength
		}
	case TransferEncoding:
		if !is(f.Value, "chunked") {
			return refuse(statusNotImplemented, "the transfer coding is not chunked alone")
		}
		h.chunked = true
	case Host:
		h.host = f.Value
	case TE:
		h.trailers = h.trailers || hasToken(f.Value, "trailers")
	case Upgrade:
		h.upgradeTo = f.Value
	}
	return nil
}

// parseLength reads a Content-Length: digits alone (RFC 9110 section 8.6).
func parseLength(v []byte) (n int64, ok bool) {
	if len(v) == 0 || len(v) > 18 { // 18 digits fit an int64
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// noteOptions reads a Connection field (RFC 9110 section 7.6.1).
func (h *Head) noteOptions(v []byte) error {
	for len(v) > 0 {
		var option []byte
		option, v = cutItem(v)
		if h.options++; h.options > maxOptions {
			return errOptions
		}
		switch {
		case len(option) == 0:
		case !all(option, isToken):
			return errOption
		case is(option, "close"):
			h.close = true
		case is(option, "keep-alive"):
			h.keep = true
		case is(option, "upgrade"):
			h.upgrade = true
		default:
			h.hops = true
		}
	}
	return nil
}

// cutItem takes the first item off a list with commas.
func cutItem(v []byte) (item, rest []byte) {
	for i, c := range v {
		if c == ',' {
			return trim(v[:i]), v[i+1:]
		}
	}
	return trim(v), nil
}

// hasToken tells whether a list with commas has this item, which is in lower case.
func hasToken(v []byte, token string) bool {
	for len(v) > 0 {
		var item []byte
		if item, v = cutItem(v); is(item, token) {
			return true
		}
	}
	return false
}

// settle looks at what all fields say together.
func (h *Head) settle() error {
	if h.chunked && h.has.Has(ContentLength) {
		return errBothLengths
	}
	if h.hops {
		h.markHops()
	}
	return nil
}

// markHops marks the fields that Connection fields name.
func (h *Head) markHops() {
	for i := range h.Fields {
		if h.Fields[i].ID != Connection {
			continue
		}
		for v := h.Fields[i].Value; len(v) > 0; {
			var option []byte
			option, v = cutItem(v)
			for j := range h.Fields {
				if sameFold(h.Fields[j].Name, option) {
					h.Fields[j].hop = true
				}
			}
		}
	}
}

// parseVersion reads HTTP/1.0 or HTTP/1.1.
func parseVersion(v []byte) (minor int, ok bool) {
	switch string(v) {
	case "HTTP/1.1":
		return 1, true
	case "HTTP/1.0":
		return 0, true
	}
	return 0, false
}
