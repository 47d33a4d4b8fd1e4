package http

import "strconv"

// AppendRequest appends the head of a request for the backend, save the empty
// line that ends it: more fields may follow by [AppendField], then [EndHead].
//
// path, from [CleanPath], takes the place of the client's. The version is
// HTTP/1.1. Fields for this hop alone and those of drop are left out; Host, the
// length of the body, and what the client may expect or upgrade to are written
// from what was understood of them.
func (c *Client) AppendRequest(dst []byte, r *Request, path []byte, drop Set) []byte {
	c.step, c.scan, c.interim = atHead, scan{}, 0
	c.head = string(r.Method) == "HEAD"
	c.out.begin(r.Length)
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, path...)
	if r.HasQuery {
		dst = append(dst, '?')
		dst = append(dst, r.Query...)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Asked()...)
	dst = append(dst, "\r\n"...)
	dst = r.appendFields(dst, drop)
	switch {
	case r.chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case r.has.Has(ContentLength):
		dst = appendLength(dst, r.length)
	}
	if r.Waits() {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	protocol := r.Upgrades()
	c.upgrade = protocol != nil
	switch {
	case c.upgrade:
		dst = append(dst, "Connection: upgrade\r\nUpgrade: "...)
		dst = append(dst, protocol...)
		dst = append(dst, "\r\n"...)
	case r.trailers && r.Minor == 1:
		dst = append(dst, "Connection: te\r\nTE: trailers\r\n"...)
	}
	return dst
}

// appendFields appends the fields that go on.
func (h *Head) appendFields(dst []byte, drop Set) []byte {
	drop |= ours
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.hop && !drop.Has(f.ID) {
			dst = appendField(dst, f.Name, f.Value)
		}
	}
	return dst
}

func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendData appends a piece of the request's body.
func (c *Client) AppendData(dst, data []byte) []byte { return c.out.appendData(dst, data) }

// AppendEnd ends the request's body.
func (c *Client) AppendEnd(dst []byte, trailers []Field) []byte {
	return c.out.appendEnd(dst, trailers)
}

// Plain tells whether the body is written as it is, without chunks.
func (c *Client) Plain() bool { return c.out.length != Chunked }

// Passed tells that n bytes of a plain body were written beside the machine.
func (c *Client) Passed(n int64) { c.out.passed(n) }

// AppendResponse appends the head of a backend's response for the client, save
// the empty line that ends it, as [Client.AppendRequest] does. How the body is
// framed depends on the client's version and not on how the backend framed it.
func (s *Server) AppendResponse(dst []byte, r *Response, drop Set) []byte {
	dst = appendStatus(dst, r.Status)
	dst = append(dst, r.Reason...)
	dst = append(dst, "\r\n"...)
	dst = r.appendFields(dst, drop)
	if r.Status < statusOK {
		if r.Status == statusSwitchingProtocols {
			s.step, s.keep = switched, false
			dst = appendField(append(dst, "Connection: upgrade\r\n"...), []byte("Upgrade"), r.upgradeTo)
		}
		return dst
	}
	length := r.Length
	switch {
	case length >= 0:
	case s.minor == 1:
		length = Chunked
	default:
		length, s.keep = UntilClose, false
	}
	s.out.begin(length)
	switch {
	case r.Status == statusNoContent:
	case length == Chunked, length == 0 && r.chunked && s.minor == 1:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case length >= 0 && !r.chunked && r.has.Has(ContentLength):
		dst = appendLength(dst, r.length)
	}
	if len(r.upgradeTo) > 0 && r.Status == statusUpgradeRequired {
		dst = appendField(append(dst, "Connection: upgrade\r\n"...), []byte("Upgrade"), r.upgradeTo)
	}
	return s.appendConnection(dst)
}

// appendConnection tells the client whether the connection goes on.
func (s *Server) appendConnection(dst []byte) []byte {
	switch {
	case !s.keep:
		return append(dst, "Connection: close\r\n"...)
	case s.minor == 0:
		return append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

func appendStatus(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	return append(dst, ' ')
}

// AppendData appends a piece of the response's body.
func (s *Server) AppendData(dst, data []byte) []byte { return s.out.appendData(dst, data) }

// AppendEnd ends the response's body.
func (s *Server) AppendEnd(dst []byte, trailers []Field) []byte {
	return s.out.appendEnd(dst, trailers)
}

// Plain tells whether the body is written as it is, without chunks.
func (s *Server) Plain() bool { return s.out.length != Chunked }

// Passed tells that n bytes of a plain body were written beside the machine.
func (s *Server) Passed(n int64) { s.out.passed(n) }

// AppendContinue appends 100 Continue, which lets a client that waits send its
// body (RFC 9110 section 15.2.1).
func (s *Server) AppendContinue(dst []byte) []byte {
	return append(dst, "HTTP/1.1 100 Continue\r\n\r\n"...)
}

// AppendAnswer appends a whole response of our own. As with
// [Server.AppendResponse], fields may be given: more is a part of a head, made by
// [AppendField].
func (s *Server) AppendAnswer(dst []byte, a *Answer, more []byte) []byte {
	dst = appendStatus(dst, a.Status)
	dst = append(dst, phraseOf(a.Status)...)
	dst = append(dst, "\r\n"...)
	for _, f := range a.Fields() {
		dst = AppendField(dst, f[0], f[1])
	}
	for _, f := range a.More {
		dst = appendField(dst, f.Name, f.Value)
	}
	if !a.Bare() {
		dst = appendLength(dst, int64(len(a.Body)))
	}
	dst = append(dst, more...)
	dst = s.appendConnection(dst)
	dst = append(dst, "\r\n"...)
	s.out.begin(0)
	if s.head {
		return dst
	}
	return append(dst, a.Body...)
}
