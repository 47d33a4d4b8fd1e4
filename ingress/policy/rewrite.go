package policy

import (
	"strings"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Prepare is the path, in normal form, that the backend is asked for; it changes the
// query and the authority of the request if those are to be others. The error is for
// the client.
func (p *Policy) Prepare(a *Ask) (target []byte, err error) {
	if p.Host != nil {
		a.Instead = a.append(nil, p.Host)
	}
	if p.Rewrite == "" {
		return a.Target, nil
	}
	var groups []int
	if p.pattern != nil {
		groups = p.pattern.FindStringSubmatchIndex(a.Decoded)
	}
	path := expand(nil, p.path, a.Decoded, groups, ";:@!$&'()*+,=/")
	if len(path) == 0 || path[0] != '/' {
		path = append([]byte("/"), path...)
	}
	if p.query != "" {
		query := expand(nil, p.query, a.Decoded, groups, ";:@!$'()*,/")
		if len(a.Query) > 0 {
			query = append(append(query, '&'), a.Query...)
		}
		a.Query, a.HasQuery = query, true
	}
	return http.CleanPath(nil, path)
}

// expand appends a template whose $1 to $9 stand for groups of an expression that
// matched path. Bytes of theirs that are neither unreserved (RFC 3986 section 2.3) nor
// among some are escaped.
func expand(dst []byte, template, path string, groups []int, allowed string) []byte {
	for i := 0; i < len(template); i++ {
		c := template[i]
		if c != '$' || i+1 == len(template) || template[i+1] < '1' || template[i+1] > '9' {
			dst = append(dst, c)
			continue
		}
		i++
		if g := 2 * int(template[i]-'0'); g+1 < len(groups) && groups[g] >= 0 {
			dst = escape(dst, path[groups[g]:groups[g+1]], allowed)
		}
	}
	return dst
}

// escape appends a part of a decoded path, in which %2F and %25 are escaped already.
func escape(dst []byte, text, allowed string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~',
			c == '%', strings.IndexByte(allowed, c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
