package http

import "bytes"

// phase is where in a body a reader is.
type phase uint8

const (
	inData    phase = iota // of a counted body, or of one chunk
	inSize                 // before the size of a chunk
	inEnd                  // before the CR LF after the data of a chunk
	inTrailer              // after the last chunk
	over
)

// body reads a message body off the bytes it comes in (RFC 9112 section 6).
type body struct {
	length    int64 // as [Head.Length] has it
	left      int64 // of the counted body, or of the chunk
	phase     phase
	extension int // bytes that chunk extensions took so far
	scan      scan
}

// begin makes ready for a body of this length.
func (d *body) begin(length int64) {
	*d = body{length: length, left: length}
	switch length {
	case 0:
		d.phase = over
	case Chunked:
		d.phase = inSize
	}
}

// next reads what comes next: data, more of which may follow, or the end.
func (d *body) next(b []byte, h *Head, lim *Limits) (Piece, error) {
	used := 0
	for {
		rest := b[used:]
		switch d.phase {
		case over:
			return Piece{Kind: End, Used: used}, nil
		case inData:
			if d.length == Chunked && d.left == 0 {
				d.phase = inEnd
				continue
			}
			return d.data(rest, used), nil
		}
		n, err := d.delimiter(rest, h, lim)
		if err == errShort {
			return Piece{Used: used}, nil
		}
		if err != nil {
			return Piece{}, err
		}
		used += n
	}
}

// data gives as much of a counted body, or of a chunk, as there is.
func (d *body) data(b []byte, used int) Piece {
	if len(b) == 0 {
		return Piece{Used: used}
	}
	if d.length != UntilClose {
		if int64(len(b)) > d.left {
			b = b[:d.left]
		}
		if d.left -= int64(len(b)); d.left == 0 && d.length != Chunked {
			d.phase = over
		}
	}
	return Piece{Kind: Data, Data: b, Used: used + len(b)}
}

// skip tells that n bytes of the body, at most what [body.bulk] says, were taken
// past the reader.
func (d *body) skip(n int64) {
	if d.length == UntilClose {
		return
	}
	if d.left -= n; d.left == 0 && d.length != Chunked {
		d.phase = over
	}
}

// delimiter reads what stands between the chunks and after the last one.
func (d *body) delimiter(b []byte, h *Head, lim *Limits) (n int, err error) {
	switch d.phase {
	case inSize:
		return d.chunkSize(b, lim)
	case inEnd:
		switch {
		case len(b) > 0 && b[0] != '\r' || len(b) > 1 && b[1] != '\n':
			return 0, errChunkEnd
		case len(b) < 2:
			return 0, errShort
		}
		d.phase = inSize
		return 2, nil
	}
	return d.trailer(b, h, lim)
}

var (
	errChunkSize = refuse(statusBadRequest, "a chunk does not begin with its size in hexadecimal digits and CR LF")
	errChunkEnd  = refuse(statusBadRequest, "a chunk does not end with CR LF where its size says")
)

// maxSizeDigits keeps the size of a chunk below 2^60.
const maxSizeDigits = 15

// chunkSize reads the line that begins a chunk (RFC 9112 section 7.1). No blanks
// are tolerated; extensions are, and dropped.
func (d *body) chunkSize(b []byte, lim *Limits) (int, error) {
	digits := span(b[:min(len(b), maxSizeDigits+1)], 0, isHex)
	if digits > maxSizeDigits || digits == 0 && len(b) > 0 {
		return 0, errChunkSize
	}
	if digits == len(b) {
		return 0, errShort
	}
	end := digits
	if b[end] == ';' {
		end = control(b, end)
		if d.extension+end-digits > lim.Extension {
			return 0, refuse(statusBadRequest, "the extensions of chunks take more than %d bytes", lim.Extension)
		}
	}
	switch {
	case end < len(b) && b[end] != '\r' || end+1 < len(b) && b[end+1] != '\n':
		return 0, errChunkSize
	case end+1 >= len(b):
		return 0, errShort
	}
	d.extension += end - digits
	d.left = 0
	for _, c := range b[:digits] {
		d.left = d.left<<4 | int64(unhex(c))
	}
	if d.phase = inData; d.left == 0 {
		d.phase = inTrailer
	}
	return end + 2, nil
}

// trailer reads the trailer section, as a whole (RFC 9112 section 7.1.2).
func (d *body) trailer(b []byte, h *Head, lim *Limits) (int, error) {
	if !d.scan.worthwhile(b, lim.Line) && len(b) <= lim.Trailer {
		return 0, errShort
	}
	section := Head{Fields: h.Trailers[:0]}
	n, err := section.parseFields(b, 0, lim)
	if n > lim.Trailer || err == errShort && len(b) > lim.Trailer {
		err = refuse(statusFieldsTooLarge, "the trailer section is longer than %d bytes", lim.Trailer)
	}
	if err != nil {
		return 0, err
	}
	h.keepTrailers(section.Fields)
	d.phase = over
	return n, nil
}

// keepTrailers takes the fields that may be trailers, in the memory of the list.
func (h *Head) keepTrailers(list []Field) {
	h.Trailers = list[:0]
	for _, f := range list {
		if f.ID == Other || f.ID == Date || f.ID == ServerName {
			h.Trailers = append(h.Trailers, f)
		}
	}
}

// scan remembers how much of an incomplete head was looked at, so that one that
// comes byte by byte is not read anew with each byte.
type scan struct {
	seen int
	line int // where the last line begins; -1: look for it
}

// worthwhile tells whether reading b as a head may bring more than the last time,
// when it was shorter: it is read at once, and then when it has an empty line, or
// one that ends wrongly or is too long.
func (s *scan) worthwhile(b []byte, longest int) bool {
	from := s.seen
	s.seen = len(b)
	if from == 0 {
		s.line = -1 // most heads come whole
		return true
	}
	if s.line < 0 {
		s.line = bytes.LastIndexByte(b[:from], '\n') + 1
	}
	for {
		nl := bytes.IndexByte(b[from:], '\n')
		if nl < 0 {
			return len(b)-s.line > longest
		}
		i := from + nl
		if i < 3 || b[i-1] != '\r' || b[i-2] == '\n' {
			return true
		}
		from, s.line = i+1, i+1
	}
}

// bulk is how many bytes are data and may be taken past the reader.
func (d *body) bulk(at step) int64 {
	switch {
	case at != atBody || d.phase != inData || d.length == Chunked:
		return 0
	case d.length == UntilClose:
		return 1<<63 - 1
	}
	return d.left
}
