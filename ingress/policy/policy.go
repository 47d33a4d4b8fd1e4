package policy

import (
	"regexp"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/http"
)

// Policy is a [config.IngressPolicy] made ready for the requests that one path leads
// to. It is immutable, save what it counts; any number of goroutines may ask it.
type Policy struct {
	*config.IngressPolicy
	pattern    *regexp.Regexp // of the path, if the rewrite needs it
	path       string         // of the rewrite, without its query
	query      string
	plain      []http.Field   // of all answers
	secure     []http.Field   // of those over TLS
	limiter    *Limiter       // nil: nothing is limited
	cookiePath string         // of the cookie of an affinity
	header     *regexp.Regexp // of a canary; nil: none
	www        string         // the host that all requests are sent to; "": none
}

// New makes the Policy of a path, whose requests a Limiter (nil: none) counts; nil of one
// that asks for nothing.
func New(of *config.IngressPolicy, path string, limiter *Limiter) *Policy {
	if of == nil {
		return nil
	}
	p := &Policy{IngressPolicy: of, limiter: limiter}
	if p.path, p.query, _ = strings.Cut(of.Rewrite, "?"); strings.Contains(of.Rewrite, "$") {
		p.pattern, _ = Pattern(path, of.Nginx) // a path that is no expression has no groups
	}
	if of.Canary != nil && of.Canary.Pattern != "" {
		p.header, _ = config.Expression(of.Canary.Pattern) // which was looked at
	}
	if of.Affinity != nil {
		p.cookiePath = cookiePath(of.Affinity.Path, path)
	}
	for _, f := range of.Fields {
		p.plain = append(p.plain, field(f.Name, f.Value))
	}
	if c := of.CORS; c != nil && c.Everybody() {
		p.plain = appendCORS(p.plain, c, "*")
	}
	p.secure = p.plain
	if of.HSTS != "" {
		p.secure = append(p.plain[:len(p.plain):len(p.plain)], field("Strict-Transport-Security", of.HSTS))
	}
	return p
}

// Source is what p was made of; nil if there is none.
func (p *Policy) Source() *config.IngressPolicy {
	if p == nil {
		return nil
	}
	return p.IngressPolicy
}

// ToHost is the Policy that sends all requests to another host.
func ToHost(host string) *Policy { return &Policy{IngressPolicy: &config.IngressPolicy{}, www: host} }

// Pattern is the regular expression of a path, which matches what begins so; with
// nginx in upper case and lower.
func Pattern(path string, nginx bool) (*regexp.Regexp, error) {
	flags := ""
	if nginx {
		flags = "(?i)"
	}
	return config.Expression(flags + "^(?:" + path + ")")
}

func field(name, value string) http.Field { return http.NewField([]byte(name), []byte(value)) }
