package policy

import (
	"bytes"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Takes tells whether an Ingress that is a canary takes a request of another's. chance
// is any number.
func (p *Policy) Takes(r *http.Request, chance uint64) bool {
	c := p.Canary
	if c.Header != "" {
		switch value := string(get(r, c.Header)); {
		case value == "":
		case c.Value != "":
			if value == c.Value {
				return true
			}
		case p.header != nil:
			if p.header.MatchString(value) {
				return true
			}
		case value == "always":
			return true
		case value == "never":
			return false
		}
	}
	if c.Cookie != "" {
		switch string(Cookie(r, c.Cookie)) {
		case "always":
			return true
		case "never":
			return false
		}
	}
	return chance>>32*uint64(c.Total)>>32 < uint64(c.Weight)
}

// get is the value of the first field with this name; nil if there is none.
func get(r *http.Request, name string) []byte {
	for i := range r.Fields {
		if r.Fields[i].Named([]byte(name)) {
			return r.Fields[i].Value
		}
	}
	return nil
}

// Cookie is the value of the first cookie with this name; nil if there is none.
func Cookie(r *http.Request, name string) []byte {
	for i := range r.Fields {
		if !r.Fields[i].Named([]byte("Cookie")) {
			continue
		}
		for pair := range bytes.SplitSeq(r.Fields[i].Value, []byte(";")) {
			if is, value, ok := bytes.Cut(bytes.TrimSpace(pair), []byte("=")); ok && string(is) == name {
				return bytes.Trim(value, `"`)
			}
		}
	}
	return nil
}
