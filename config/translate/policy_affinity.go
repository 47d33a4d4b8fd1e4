package translate

import (
	"fmt"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// affinitySettings are about clients that come back to one endpoint.
var affinitySettings = []setting{
	{name: "affinity", read: func(a *asked, text string) error {
		if text != "cookie" {
			return bad("write cookie", "%q is no kind of affinity", text)
		}
		a.policy.Affinity = &config.Affinity{}
		return nil
	}},
	{name: "affinity-mode", read: func(_ *asked, text string) error {
		switch text {
		case "persistent":
			return nil
		case "balanced":
			return &refusal{reason: ReasonUnsupported, message: "clients stay with their endpoint when others come", remedy: "write persistent", verdict: config.AppliedDifferently}
		}
		return bad("write persistent", "%q is no mode", text)
	}},
	{name: "affinity-canary-behavior", read: func(_ *asked, text string) error {
		if text == "sticky" {
			return nil
		}
		return &refusal{reason: ReasonUnsupported, message: "clients stay with the canary, or without it, as with sticky", remedy: "write sticky"}
	}},
	{name: "session-cookie-name", read: func(a *asked, text string) error { return name(text, &a.affinity.Cookie) }},
	{name: "session-cookie-path", read: func(a *asked, text string) error {
		if !strings.HasPrefix(text, "/") {
			return bad("begin it with /", "%q is no path", text)
		}
		return attribute(text, &a.affinity.Path)
	}},
	{name: "session-cookie-domain", read: func(a *asked, text string) error {
		if !hostName(strings.TrimPrefix(strings.ToLower(text), ".")) {
			return bad("write a host name", "%q is none", text)
		}
		a.affinity.Domain = text
		return nil
	}},
	{name: "session-cookie-expires", read: (*asked).readAge},
	{name: "session-cookie-max-age", read: (*asked).readAge},
	{name: "session-cookie-samesite", read: func(a *asked, text string) error {
		switch strings.ToLower(text) {
		case "none", "lax", "strict":
			a.sameSite = strings.ToUpper(text[:1]) + strings.ToLower(text[1:])
			return nil
		}
		return bad("write None, Lax or Strict", "%q is none of them", text)
	}},
	{name: "session-cookie-secure", read: flag(func(a *asked, on bool) { a.affinity.Secure = on })},
}

// readAge reads how many seconds a cookie lives; the modern annotation, which comes
// last, wins.
func (a *asked) readAge(text string) (err error) {
	a.age, err = orBefore(a.age)(number(text, 0, 1<<31-1))
	return err
}

// attribute reads what may stand in an attribute of a cookie (RFC 6265 section 4.1.1).
func attribute(text string, to *string) error {
	if !plain(text) || strings.Contains(text, ";") {
		return bad("leave out blanks and semicolons", "%q cannot stand in a cookie", text)
	}
	*to = text
	return nil
}

// sticky is the affinity that all annotations ask for together.
func (a *asked) sticky() *config.Affinity {
	out := a.affinity
	if a.age >= 0 {
		out.Attributes += fmt.Sprint("; Max-Age=", a.age)
	}
	if a.sameSite != "" {
		out.Attributes += "; SameSite=" + a.sameSite
	}
	return &out
}
