package translate

import (
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// redirectSettings are about requests that are sent elsewhere, and other names.
var redirectSettings = []setting{
	{name: "ssl-redirect", read: flag(func(a *asked, on bool) {
		a.policy.HTTPS = config.HTTPSNever
		if on {
			a.policy.HTTPS = config.HTTPSIfTLS
		}
	})},
	{name: "force-ssl-redirect", read: flag(func(a *asked, on bool) {
		if on {
			a.policy.HTTPS = config.HTTPSAlways
		}
	})},
	{name: "permanent-redirect-code", read: func(a *asked, text string) error { return code(text, &a.permanent) }},
	{name: "permanent-redirect", read: func(a *asked, text string) error { return a.redirect(text, a.permanent) }},
	{name: "temporal-redirect-code", read: func(a *asked, text string) error { return code(text, &a.temporal) }},
	{name: "temporal-redirect", read: func(a *asked, text string) error { return a.redirect(text, a.temporal) }},
	{name: "app-root", read: func(a *asked, text string) error {
		if !plain(text) || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || text == "/" {
			return bad("write a path such as /app", "%q is no path that / could be sent to", text)
		}
		a.policy.AppRoot = text
		return nil
	}},
	{name: "from-to-www-redirect", read: flag(func(a *asked, on bool) { a.policy.WWW = on })},
	{name: "server-alias", read: (*asked).readAliases},
}

// code reads the status of a redirect.
func code(text string, to *int) error {
	n, err := number(text, 300, 308)
	if err != nil || n == 304 || n == 305 || n == 306 {
		return bad("write 301, 302, 303, 307 or 308", "%q is no status of a redirect", text)
	}
	*to = n
	return nil
}

// redirect takes a redirect in; the temporal one, which comes last, wins.
func (a *asked) redirect(text string, code int) error {
	to, err := place(text)
	if err == nil {
		a.policy.Redirect = &config.Redirect{To: to, Code: code}
	}
	return err
}

func (a *asked) readAliases(text string) error {
	var hosts []string
	for _, host := range list(text) {
		host = strings.ToLower(host)
		if !hostName(host) {
			return bad("write host names with commas between them", "%q is no host name; patterns are not supported", host)
		}
		hosts = append(hosts, host)
	}
	a.policy.Aliases = hosts
	return nil
}
