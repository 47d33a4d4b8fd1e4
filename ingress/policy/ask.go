package policy

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Ask is a request, as a Policy looks at it.
type Ask struct {
	*http.Request
	Client    netip.Addr
	Now       time.Duration // since any moment, always the same
	Secure    bool          // it came over TLS
	Certified bool          // there is a certificate for its host
	Target    []byte        // its path in normal form
	Decoded   string        // the same without escapes, save %2F and %25, as rules are matched
}

// append appends a template with the variables of the request.
func (a *Ask) append(dst []byte, t config.Template) []byte {
	for _, part := range t {
		dst = append(dst, part.Text...)
		switch part.Then {
		case config.VarScheme:
			dst = append(dst, a.scheme()...)
		case config.VarHost:
			dst = append(dst, a.host()...)
		case config.VarHTTPHost:
			dst = append(dst, a.Authority...)
		case config.VarRequestURI:
			dst = a.appendURI(dst)
		case config.VarURI:
			dst = append(dst, a.Target...)
		case config.VarArgs:
			dst = append(dst, a.Query...)
		case config.VarIsArgs:
			if len(a.Query) > 0 {
				dst = append(dst, '?')
			}
		case config.VarRequestMethod:
			dst = append(dst, a.Method...)
		case config.VarRemoteAddr:
			dst = a.Client.AppendTo(dst)
		}
	}
	return dst
}

func (a *Ask) scheme() string {
	if a.Secure {
		return "https"
	}
	return "http"
}

// host is the authority without its port.
func (a *Ask) host() []byte {
	h := a.Authority
	if i := bytes.LastIndexByte(h, ':'); i >= 0 && bytes.IndexByte(h[i:], ']') < 0 {
		h = h[:i]
	}
	return h
}

// appendURI appends path and query as the client sent them.
func (a *Ask) appendURI(dst []byte) []byte {
	if len(a.Path) == 0 || a.Path[0] != '/' { // the * of OPTIONS
		dst = append(dst, '/')
	} else {
		dst = append(dst, a.Path...)
	}
	if a.HasQuery {
		dst = append(append(dst, '?'), a.Query...)
	}
	return dst
}
