package policy

import (
	"strings"

	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Token is what the client's cookie says of the endpoint to come back to; "" if it has
// none.
func (p *Policy) Token(r *http.Request) string {
	if p.Affinity == nil {
		return ""
	}
	return string(Cookie(r, p.Affinity.Cookie))
}

// Cookie gives a client a token, for requests to a host over TLS or not.
func (p *Policy) Cookie(token string, secure bool) http.Field {
	a := p.Affinity
	value := a.Cookie + "=" + token + "; Path=" + p.cookiePath
	if a.Domain != "" {
		value += "; Domain=" + a.Domain
	}
	if a.Secure || secure {
		value += "; Secure"
	}
	return field("Set-Cookie", value+"; HttpOnly"+a.Attributes)
}

// cookiePath is the path that cookies are for: the one that is asked for, else that of
// the rule if browsers understand it as rules are understood.
func cookiePath(asked, path string) string {
	switch {
	case asked != "":
		return asked
	case path == "" || strings.ContainsAny(path, "()[]{}^$*+?|\\;, "):
		return "/"
	}
	return path
}
