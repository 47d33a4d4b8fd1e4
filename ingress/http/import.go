package http

// Pseudo is what HTTP/2 says of a request beside its fields (RFC 9113 section
// 8.3.1).
type Pseudo struct {
	Method, Authority, Path []byte
	Protocol                []byte // of extended CONNECT (RFC 8441), else empty
	Open                    bool   // a body follows, or with Protocol another protocol
}

var errHop = refuse(statusBadRequest, "a field is about a connection of HTTP/1.1")

// Import makes r of a head that was read over HTTP/2 and whose fields are in
// r.Fields, names and values alone. What is refused of HTTP/1.1 is refused here
// too, so that nothing comes in by the other door. Extended CONNECT becomes the
// request for an upgrade that it stands for.
func (r *Request) Import(p Pseudo, lim *Limits) error {
	*r = Request{Head: Head{Minor: 1, Fields: r.Fields, Trailers: r.Trailers[:0]}, Method: p.Method, Target: p.Path}
	if len(p.Method)+len(p.Path) > lim.Line {
		return tooLongLine(lim)
	}
	if len(r.Fields) >= lim.Fields { // the authority counts: it is Host
		return tooManyFields(lim)
	}
	if err := r.importFields(lim, lim.Head-len(p.Method)-len(p.Path)-len(p.Authority)); err != nil {
		return err
	}
	if r.has.Has(Connection) || r.has.Has(KeepAlive) || r.has.Has(ProxyConnection) || r.has.Has(TransferEncoding) || r.has.Has(Upgrade) {
		return errHop
	}
	if r.host != nil {
		return errTwice
	}
	if r.host, r.has = p.Authority, r.has|1<<Host; len(r.host) == 0 {
		return errNoHost
	}
	if len(p.Protocol) > 0 {
		r.Method, r.upgrade, r.upgradeTo = methodGet, true, p.Protocol
	} else {
		r.chunked = p.Open && !r.has.Has(ContentLength)
	}
	if err := r.conclude(); err != nil {
		return err
	}
	return r.checkExpect()
}

var methodGet = []byte("GET")

// importFields looks at fields that were read over HTTP/2, which may take so many
// bytes together.
func (h *Head) importFields(lim *Limits, room int) error {
	for i := range h.Fields {
		f := &h.Fields[i]
		size := len(f.Name) + len(f.Value) + len(":")
		if size > lim.Line {
			return tooLongField(lim)
		}
		if room -= size; room < 0 {
			return tooLongHead(lim)
		}
		if len(f.Name) == 0 || !all(f.Name, isToken) {
			return errNoColon
		}
		if control(f.Value, 0) != len(f.Value) {
			return errControl
		}
		var underscored bool
		if f.ID, underscored = identify(f.Name); underscored {
			return errUnderscore
		}
		if f.ID != Other {
			if err := h.note(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// ImportTrailers makes list, names and values alone, the trailers of a message
// that was read over HTTP/2.
func (h *Head) ImportTrailers(list []Field, lim *Limits) error {
	section := Head{Fields: list}
	if len(list) > lim.Fields {
		return tooManyFields(lim)
	}
	if err := section.importFields(lim, lim.Trailer); err != nil {
		return err
	}
	h.keepTrailers(list)
	return nil
}

// Import makes r of a head that was read over HTTP/2 and whose fields are in
// r.Fields, names and values alone, in answer to a request with the method HEAD or
// another. open tells that more follows.
func (r *Response) Import(status int, open, head bool, lim *Limits) error {
	*r = Response{Head: Head{Minor: 1, Fields: r.Fields, Trailers: r.Trailers[:0]}, Status: status}
	if err := r.importFields(lim, lim.Head); err != nil {
		return invalid(err)
	}
	if len(r.Fields) > lim.Fields {
		return invalid(tooManyFields(lim))
	}
	r.Reason = []byte(phraseOf(status)) // some clients take an answer without one for none
	switch {
	case head, bodiless(status):
	case r.has.Has(ContentLength):
		r.Length = r.length
	case open:
		r.chunked, r.Length = true, Chunked
	default:
		r.has |= 1 << ContentLength // of 0, which over HTTP/1.1 has to be said
	}
	return nil
}

// AppendExport appends the fields of a response that go on to a client of HTTP/2,
// which the length of the body is one of.
func (r *Response) AppendExport(dst []Field) []Field {
	for i := range r.Fields {
		f := &r.Fields[i]
		length := f.ID == ContentLength && !r.chunked && !f.hop && r.Status >= statusOK && r.Status != statusNoContent
		if length || !f.hop && !ours.Has(f.ID) {
			dst = append(dst, *f)
		}
	}
	return dst
}
