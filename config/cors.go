package config

import "strings"

// CORS says which pages of other origins may use an Ingress's paths (the Fetch
// standard, section 3.2). Lists are as they are written into fields.
type CORS struct {
	Origins     []string // lower case: "*", scheme://host[:port], or with *. for one label before the host
	Methods     string
	Headers     string
	Expose      string // "": none
	Credentials bool
	MaxAge      int // seconds
}

// Everybody tells whether all origins are allowed.
func (c *CORS) Everybody() bool { return len(c.Origins) == 1 && c.Origins[0] == "*" }

// Allows tells whether an origin is allowed, upper case or lower.
func (c *CORS) Allows(origin string) bool {
	origin = strings.ToLower(origin)
	for _, o := range c.Origins {
		if o == "*" || o == origin || belowOneLabel(o, origin) {
			return true
		}
	}
	return false
}

// belowOneLabel tells whether an origin is what one with *. stands for.
func belowOneLabel(wild, origin string) bool {
	before, after, ok := strings.Cut(wild, "*.")
	if !ok || !strings.HasPrefix(origin, before) || !strings.HasSuffix(origin, "."+after) {
		return false
	}
	if len(origin) <= len(before)+len(after)+1 {
		return false
	}
	label := origin[len(before) : len(origin)-len(after)-1]
	return !strings.ContainsAny(label, "./:@")
}
