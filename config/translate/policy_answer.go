package translate

import (
	"fmt"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// answerSettings are about fields of answers.
var answerSettings = []setting{
	{name: "hsts", read: flag(func(a *asked, on bool) { a.hsts.on = on })},
	{name: "hsts-max-age", read: func(a *asked, text string) (err error) {
		a.hsts.age, err = orBefore(a.hsts.age)(number(text, 0, 1<<31-1))
		return err
	}},
	{name: "hsts-include-subdomains", read: flag(func(a *asked, on bool) { a.hsts.subdomains = on })},
	{name: "hsts-preload", read: flag(func(a *asked, on bool) { a.hsts.preload = on })},
	{name: "response-headers", read: (*asked).readFields},
	{name: "enable-cors", read: flag(func(a *asked, on bool) {
		if on {
			a.policy.CORS = &config.CORS{}
		}
	})},
	{name: "cors-allow-origin", read: (*asked).readOrigins},
	{name: "cors-allow-methods", read: func(a *asked, text string) error { return tokens(text, &a.cors.Methods) }},
	{name: "cors-allow-headers", read: func(a *asked, text string) error { return tokens(text, &a.cors.Headers) }},
	{name: "cors-expose-headers", read: func(a *asked, text string) error { return tokens(text, &a.cors.Expose) }},
	{name: "cors-allow-credentials", read: flag(func(a *asked, on bool) { a.cors.Credentials = on })},
	{name: "cors-max-age", read: func(a *asked, text string) (err error) {
		a.cors.MaxAge, err = orBefore(a.cors.MaxAge)(number(text, 0, 1<<31-1))
		return err
	}},
}

// orBefore keeps a number as it was if there is none.
func orBefore(before int) func(int, error) (int, error) {
	return func(n int, err error) (int, error) {
		if err != nil {
			return before, err
		}
		return n, nil
	}
}

// hsts is what Strict-Transport-Security shall say (RFC 6797).
type hsts struct {
	on, subdomains, preload bool
	age                     int // seconds
}

// defaultHSTS is that of ingress-nginx, which says it unasked.
func defaultHSTS(nginx bool) hsts { return hsts{on: nginx, subdomains: true, age: 31536000} }

// String is the value of the field; "" if it is not to be said.
func (h hsts) String() string {
	if !h.on {
		return ""
	}
	s := fmt.Sprintf("max-age=%d", h.age)
	if h.subdomains {
		s += "; includeSubDomains"
	}
	if h.preload {
		s += "; preload"
	}
	return s
}

func defaultCORS() config.CORS {
	return config.CORS{
		Origins: []string{"*"}, Methods: "GET, PUT, POST, DELETE, PATCH, OPTIONS",
		Headers:     "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
		Credentials: true, MaxAge: 1728000,
	}
}

func (a *asked) readOrigins(text string) error {
	var origins []string
	for _, o := range list(strings.ToLower(text)) {
		if o == "*" {
			origins = []string{"*"}
			break
		}
		_, rest, ok := strings.Cut(o, "://")
		host, port, hasPort := strings.Cut(strings.TrimPrefix(rest, "*."), ":")
		if !ok || !hostName(host) || hasPort && strings.Trim(port, "0123456789") != "" {
			return bad("write origins such as https://example.com or https://*.example.com:8443", "%q is no origin", o)
		}
		origins = append(origins, o)
	}
	if len(origins) == 0 {
		return bad("write origins such as https://example.com", "the list is empty")
	}
	a.cors.Origins = origins
	return nil
}

// tokens reads a list of names, of methods or fields.
func tokens(text string, to *string) error {
	names := list(text)
	for _, name := range names {
		if name != "*" && !token(name) {
			return bad("write names with commas between them", "%q is no name", name)
		}
	}
	*to = strings.Join(names, ", ")
	return nil
}

// token tells whether text can be the name of a field (RFC 9110 section 5.6.2).
func token(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

// reserved are the fields that say how an answer is read, which only we know.
var reserved = map[string]bool{
	"connection": true, "content-length": true, "keep-alive": true, "proxy-connection": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true, "date": true,
}

// readFields reads lines such as X-Frame-Options: DENY.
func (a *asked) readFields(text string) error {
	var fields []config.Field
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok || !token(name) || strings.IndexFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) >= 0:
			return bad("write lines such as X-Frame-Options: DENY", "%q is no field", line)
		case reserved[strings.ToLower(name)]:
			return bad("remove the line", "the field %s says how an answer is read, and cannot be set", name)
		}
		fields = append(fields, config.Field{Name: name, Value: value})
	}
	a.policy.Fields = fields
	return nil
}
