package http

import "bytes"

// Response is the head of a response. Its slices are of the buffer that it was
// read from, and no longer good than that.
type Response struct {
	Head
	Status int    // 100 to 999
	Reason []byte // may be empty
}

// Interim tells whether another head follows for the same request (RFC 9110
// section 15.2). 101 is none: what follows it is another protocol.
func (r *Response) Interim() bool {
	return r.Status < statusOK && r.Status != statusSwitchingProtocols
}

var errStatusLine = refuse(statusBadGateway, "it does not begin with a status line of HTTP/1.1 or HTTP/1.0")

// parse reads a head at the beginning of b, of an answer to a request with the
// method HEAD or another, and returns its length. Whatever is wrong with it is
// no fault of the client: errors have status 502.
func (r *Response) parse(b []byte, head bool, lim *Limits) (int, error) {
	n, err := r.read(b, head, lim)
	if err != nil && err != errShort {
		err = invalid(err)
	}
	return n, err
}

// invalid blames the backend.
func invalid(err error) error {
	return refuse(statusBadGateway, "the backend's answer is not valid: %s", reason(err))
}

func (r *Response) read(b []byte, head bool, lim *Limits) (int, error) {
	*r = Response{Head: r.empty()}
	i, err := r.parseLine(b, lim)
	if err != nil {
		return 0, err
	}
	n, err := r.parseRest(b, i, lim)
	if err != nil {
		return 0, err
	}
	if r.chunked && r.Minor == 0 {
		return 0, errChunked10
	}
	r.Length = r.bodyLength(head)
	return n, nil
}

// parseLine reads the status line (RFC 9112 section 4). Some servers leave out
// the blank after the code when they give no reason.
func (r *Response) parseLine(b []byte, lim *Limits) (int, error) {
	const code, reason = len("HTTP/1.1 "), len("HTTP/1.1 200")
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		switch {
		case !begins(b, "HTTP/1."):
			return 0, errStatusLine
		case len(b) > lim.Line:
			return 0, refuse(statusBadGateway, "the status line is longer than %d bytes", lim.Line)
		}
		return 0, errShort
	}
	line := b[:end]
	if len(line) < reason+1 || line[len(line)-1] != '\r' || line[code-1] != ' ' {
		return 0, errStatusLine
	}
	line = line[:len(line)-1]
	var ok bool
	if r.Minor, ok = parseVersion(line[:code-1]); !ok {
		return 0, errStatusLine
	}
	for _, c := range line[code:reason] {
		if c < '0' || c > '9' {
			return 0, errStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || len(line) > reason && line[reason] != ' ' || control(line, reason) != len(line) {
		return 0, errStatusLine
	}
	if len(line) > reason {
		r.Reason = line[reason+1:]
	}
	return end + 1, nil
}

// begins tells whether b, as far as it goes, begins with prefix.
func begins(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// bodyLength says how long the body is (RFC 9112 section 6.3).
func (r *Response) bodyLength(head bool) int64 {
	switch {
	case head, bodiless(r.Status):
		return 0
	case r.chunked:
		return Chunked
	case r.has.Has(ContentLength):
		return r.length
	}
	return UntilClose
}

// bodiless tells whether responses with this status have no body, whatever their
// fields say.
func bodiless(status int) bool {
	return status < statusOK || status == statusNoContent || status == statusNotModified
}
