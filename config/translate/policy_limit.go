package translate

import (
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// limitSettings are about how many requests clients make.
var limitSettings = []setting{
	{name: "limit-burst-multiplier", read: func(a *asked, text string) (err error) {
		a.burst, err = orBefore(a.burst)(number(text, 1, 1000))
		return err
	}},
	{name: "limit-whitelist", read: func(a *asked, text string) error { return a.readExempt(text) }},
	{name: "limit-allowlist", read: func(a *asked, text string) error { return a.readExempt(text) }},
	{name: "limit-rps", read: func(a *asked, text string) error { return a.limit(text, time.Second) }},
	{name: "limit-rpm", read: func(a *asked, text string) error { return a.limit(text, time.Minute) }},
}

// limit bounds the requests of each client in a time; 0 bounds nothing.
func (a *asked) limit(text string, in time.Duration) error {
	n, err := number(text, 0, 1_000_000)
	if err == nil && n > 0 {
		a.policy.Rates = append(a.policy.Rates, config.RateLimit{Every: in / time.Duration(n), Burst: n * a.burst, Exempt: a.exempt})
	}
	return err
}

func (a *asked) readExempt(text string) error {
	list, err := prefixes(text)
	if err == nil {
		a.exempt = list
	}
	return err
}
