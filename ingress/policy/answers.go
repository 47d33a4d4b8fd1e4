package policy

import (
	"strconv"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Fields are what the answer to a request has besides its own.
func (p *Policy) Fields(a *Ask) []http.Field {
	fields := p.plain
	if a.Secure {
		fields = p.secure
	}
	if p.CORS == nil || p.CORS.Everybody() {
		return fields
	}
	fields = append(fields[:len(fields):len(fields)], vary)
	if origin := string(get(a.Request, "Origin")); origin != "" && p.CORS.Allows(origin) {
		fields = appendCORS(fields, p.CORS, origin)
	}
	return fields
}

// vary tells caches that the answer depends on the page that asked.
var vary = field("Vary", "Origin")

// setCookie is not one of those that there is one of.
var setCookie = []byte("Set-Cookie")

func appendCORS(dst []http.Field, c *config.CORS, origin string) []http.Field {
	dst = append(dst, field("Access-Control-Allow-Origin", origin))
	if c.Credentials {
		dst = append(dst, field("Access-Control-Allow-Credentials", "true"))
	}
	dst = append(dst, field("Access-Control-Allow-Methods", c.Methods), field("Access-Control-Allow-Headers", c.Headers))
	if c.Expose != "" {
		dst = append(dst, field("Access-Control-Expose-Headers", c.Expose))
	}
	return append(dst, field("Access-Control-Max-Age", strconv.Itoa(c.MaxAge)))
}

// preflight tells whether a browser asks what a page of another origin may do.
func (p *Policy) preflight(a *Ask) bool {
	if p.CORS == nil || string(a.Method) != "OPTIONS" {
		return false
	}
	return p.CORS.Everybody() || p.CORS.Allows(string(get(a.Request, "Origin")))
}

// Dress gives an answer of a backend fields, in place of those that it has of the
// same name. Cookies, and what the answer depends on, are said besides.
func Dress(res *http.Response, fields []http.Field) {
	for i := range fields {
		f := &fields[i]
		if f.Named(vary.Name) || f.Named(setCookie) {
			continue
		}
		kept := res.Fields[:0]
		for _, has := range res.Fields {
			if !has.Named(f.Name) {
				kept = append(kept, has)
			}
		}
		res.Fields = kept
	}
	res.Fields = append(res.Fields, fields...)
}
