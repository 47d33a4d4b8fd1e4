package translate

import "github.com/steelyard-lb/steelyard/config"

// canarySettings are about taking some of another Ingress's requests.
var canarySettings = []setting{
	{name: "canary", read: flag(func(a *asked, on bool) {
		if on {
			a.policy.Canary = &config.Canary{}
		}
	})},
	{name: "canary-weight-total", read: func(a *asked, text string) (err error) {
		a.canary.Total, err = orBefore(a.canary.Total)(number(text, 1, 1<<31-1))
		return err
	}},
	{name: "canary-weight", read: func(a *asked, text string) (err error) {
		a.canary.Weight, err = orBefore(0)(number(text, 0, a.canary.Total))
		return err
	}},
	{name: "canary-by-header", read: func(a *asked, text string) error { return name(text, &a.canary.Header) }},
	{name: "canary-by-header-value", read: func(a *asked, text string) error {
		a.canary.Value = text
		return nil
	}},
	{name: "canary-by-header-pattern", read: func(a *asked, text string) error {
		if _, err := config.Expression(text); err != nil {
			return bad("correct it; look-ahead, look-behind and back references are not supported", "it is no regular expression: %v", err)
		}
		a.canary.Pattern = text
		return nil
	}},
	{name: "canary-by-cookie", read: func(a *asked, text string) error { return name(text, &a.canary.Cookie) }},
}

// name reads that of a field or a cookie.
func name(text string, to *string) error {
	if !token(text) {
		return bad("write a name such as X-Canary", "%q is no name", text)
	}
	*to = text
	return nil
}
