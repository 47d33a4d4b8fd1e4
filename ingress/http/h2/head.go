package h2

import (
	"bytes"
	"slices"

	"github.com/steelyard-lb/steelyard/ingress/http/hpack"
)

// unsaid is a length that nobody said.
const unsaid = -1

// request makes the head of a request from its fields, which it changes. If it is
// malformed, the reason is returned (RFC 9113 section 8.1.1).
func (h *Head) request(f *hpack.Fields, extended bool) (why string) {
	host, why := h.read(f)
	switch {
	case why != "":
		return why
	case h.Status != 0:
		return "a request has a status"
	case len(h.Authority) > 0 && host != nil && !bytes.EqualFold(h.Authority, host):
		return ":authority and host differ"
	case len(h.Authority) == 0:
		h.Authority = host
	}
	return h.form(extended)
}

// form checks the pseudo-header fields against each other (section 8.3.1, for
// CONNECT section 8.5 and RFC 8441 section 4).
func (h *Head) form(extended bool) (why string) {
	connect := string(h.Method) == "CONNECT"
	switch {
	case len(h.Method) == 0:
		return "a request has no :method"
	case !all(h.Method, isToken):
		return ":method is no token"
	case len(h.Protocol) > 0 && !(connect && extended):
		return ":protocol, which is not allowed here"
	case connect && h.Length != unsaid:
		return "CONNECT with content-length"
	case connect && len(h.Protocol) == 0:
		if len(h.Scheme) > 0 || len(h.Path) > 0 {
			return "CONNECT with :scheme or :path"
		}
		if !isAuthority(h.Authority) || !hasPort(h.Authority) {
			return "CONNECT without host and port"
		}
		return ""
	case len(h.Protocol) > 0 && !all(h.Protocol, isToken):
		return ":protocol is no token"
	case carriesHTTP(h.Protocol):
		return ":protocol is HTTP itself, in which requests would pass unseen"
	case string(h.Scheme) != "http" && string(h.Scheme) != "https":
		return "a request has no :scheme, or one that is neither http nor https"
	case !isAuthority(h.Authority):
		return "the authority is missing or no host and port"
	case len(h.Path) == 0:
		return "a request has no :path"
	case string(h.Path) == "*" && string(h.Method) == "OPTIONS":
	case h.Path[0] != '/' || !all(h.Path, isTarget):
		return ":path is no path"
	}
	return ""
}

// carriesHTTP tells whether a protocol is HTTP, or TLS that may hide it. What has a
// slash is no token.
func carriesHTTP(protocol []byte) bool {
	for _, p := range [][]byte{[]byte("h2"), []byte("h3"), []byte("http"), []byte("tls")} {
		if len(protocol) >= len(p) && bytes.EqualFold(protocol[:len(p)], p) {
			return true
		}
	}
	return false
}

// noLength takes content-length away, where it means nothing.
func (h *Head) noLength() {
	h.Length = unsaid
	h.Fields = slices.DeleteFunc(h.Fields, func(f hpack.Field) bool { return string(f.Name) == "content-length" })
}

// response makes the head of a response from its fields, which it changes.
func (h *Head) response(f *hpack.Fields) (why string) {
	host, why := h.read(f)
	switch {
	case why != "":
		return why
	case h.Status == 0:
		return "a response has no :status"
	case h.Status == 101:
		return "status 101, which HTTP/2 does not have"
	case h.Method != nil || h.Scheme != nil || h.Authority != nil || h.Path != nil || h.Protocol != nil || host != nil:
		return "a response has what only requests have"
	case h.Status == 204 && h.Length == 0: // wrong, but many say it and mean no harm
		h.noLength()
	case h.Length != unsaid && (h.Status < 200 || h.Status == 204):
		return "content-length in a response that has no body"
	}
	return ""
}

// read takes the fields in, and returns host, which is not kept among them.
func (h *Head) read(f *hpack.Fields) (host []byte, why string) {
	*h = Head{Length: unsaid}
	rest, why := h.pseudo(f.List)
	if why != "" {
		return nil, why
	}
	return h.regular(f, rest)
}

// pseudo reads the pseudo-header fields, which come first and once each (section
// 8.3), and returns the fields after them.
func (h *Head) pseudo(list []hpack.Field) (rest []hpack.Field, why string) {
	for i := range list {
		f := &list[i]
		if len(f.Name) == 0 || f.Name[0] != ':' {
			return list[i:], ""
		}
		var to *[]byte
		switch string(f.Name) {
		case ":method":
			to = &h.Method
		case ":scheme":
			to = &h.Scheme
		case ":path":
			to = &h.Path
		case ":authority":
			to = &h.Authority
		case ":protocol":
			to = &h.Protocol
		case ":status":
			if h.Status != 0 {
				return nil, ":status comes twice"
			}
			if h.Status = parseStatus(f.Value); h.Status == 0 {
				return nil, ":status is no status"
			}
			continue
		default:
			return nil, "a pseudo-header field that there is not"
		}
		if *to != nil {
			return nil, "a pseudo-header field comes twice"
		}
		if *to = f.Value; len(f.Value) == 0 {
			return nil, "a pseudo-header field is empty"
		}
	}
	return nil, ""
}

// parseStatus reads a status code, 100 to 599; 0 if it is none.
func parseStatus(v []byte) int {
	if len(v) != 3 || v[0] < '1' || v[0] > '5' || !isDigit(v[1]) || !isDigit(v[2]) {
		return 0
	}
	return int(v[0]-'0')*100 + int(v[1]-'0')*10 + int(v[2]-'0')
}

// regular checks the other fields, and keeps them but host, which it returns. The
// cookies become one, in the place of the first (section 8.2.3).
func (h *Head) regular(f *hpack.Fields, list []hpack.Field) (host []byte, why string) {
	kept := list[:0]
	cookie := -1
	for _, field := range list {
		what, why := checkField(field)
		if why != "" {
			return nil, why
		}
		switch what {
		case fieldHost:
			if host != nil {
				return nil, "host comes twice"
			}
			host = field.Value
			continue
		case fieldLength:
			if h.Length != unsaid {
				return nil, "content-length comes twice"
			}
			if h.Length = parseLength(field.Value); h.Length == unsaid {
				return nil, "content-length is no number of bytes"
			}
		case fieldCookie:
			if cookie >= 0 {
				k := &kept[cookie]
				k.Value, k.Sensitive = f.Join(k.Value, cookieGlue, field.Value), k.Sensitive || field.Sensitive
				continue
			}
			cookie = len(kept)
		}
		kept = append(kept, field)
	}
	h.Fields = kept
	return host, ""
}

var cookieGlue = []byte("; ")

// checkTrailers checks the fields that end a stream. Those that say how to read a
// message must not be among them (RFC 9110 section 6.5.1).
func checkTrailers(list []hpack.Field) (why string) {
	for _, f := range list {
		what, why := checkField(f)
		switch {
		case why != "":
			return why
		case what != fieldOther:
			return "a field that says how to read the message is among the trailers"
		}
	}
	return ""
}
