package translate

import (
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// pathSettings are about what the path of a rule means, and what the backend is
// asked for.
var pathSettings = []setting{
	{name: "use-regex", read: flag(func(a *asked, on bool) { a.policy.Regexp = a.policy.Regexp || on })},
	{name: "rewrite-target", read: func(a *asked, text string) error {
		if !plain(text) || text == "" || len(text) > 4096 {
			return bad("write a path such as /$2", "%q is no path that a backend could be asked for", text)
		}
		if !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "$") {
			return bad("begin it with /", "%q is no path", text)
		}
		for i, after := range strings.Split(text, "$") {
			if i > 0 && (after == "" || after[0] < '1' || after[0] > '9') {
				return bad("use $1 to $9 for groups of the path", "%q holds a variable that is no group", text)
			}
		}
		a.policy.Rewrite, a.policy.Regexp = text, true
		return nil
	}},
	{name: "upstream-vhost", read: func(a *asked, text string) error {
		to, err := config.ParseTemplate(text)
		switch {
		case err != nil:
			return bad("use "+variableList, "%s", err)
		case text == "" || strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789-_.:[]${}") != "":
			return bad("write a host name", "%q is no host that a backend could be asked for", text)
		}
		a.policy.Host = to
		return nil
	}},
	{name: "x-forwarded-prefix", read: func(a *asked, text string) error {
		if !plain(text) || text == "" {
			return bad("write a path such as /app", "%q cannot be a field", text)
		}
		a.policy.ForwardPrefix = text
		return nil
	}},
}
