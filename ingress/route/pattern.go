package route

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// pattern is a path that is a regular expression. Time is linear in what is matched
// (package regexp), whoever wrote it.
type pattern struct {
	route *Route
	path  *regexp.Regexp
}

// isPattern tells whether the path of a rule is a regular expression by the word of
// its own Ingress.
func isPattern(ing *config.Ingress, rule *config.IngressRule) bool {
	if ing.Policy == nil || !ing.Policy.Regexp {
		return false
	}
	return ing.Policy.Nginx || rule.Type != config.PathExact && strings.ContainsAny(rule.Path, `()[]{}^$*+?|\`)
}

// matchPattern is the route of the first pattern that matches; nil if none does.
func (s *site) matchPattern(path string) *Route {
	for i := range s.patterns {
		if s.patterns[i].path.MatchString(path) {
			return s.patterns[i].route
		}
	}
	return nil
}

// settlePatterns makes the patterns of a host right; all its places are.
func (e *edit) settlePatterns(host string) {
	s, all := e.tree.peek(host), e.allPatterns(host)
	if s == nil || !all && !s.allPatterns && len(s.expressions)+len(s.patterns) == 0 {
		return
	}
	s = e.tree.own(host)
	before := map[*Route]*regexp.Regexp{}
	if all == s.allPatterns {
		for _, p := range s.patterns {
			before[p.route] = p.path
		}
	} else { // paths that look like expressions are some now, or are not any more
		list, _ := e.naming.Get(host)
		for _, ing := range list {
			e.dirty[ing.Key] = true
		}
	}
	s.allPatterns, s.patterns = all, nil
	for r := range s.candidates() {
		path := before[r]
		if path == nil {
			path = s.compile(r)
		}
		s.patterns = append(s.patterns, pattern{r, path})
	}
	slices.SortFunc(s.patterns, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(len(b.route.Path), len(a.route.Path)), strings.Compare(a.route.Path, b.route.Path), cmp.Compare(a.route.rank(), b.route.rank()))
	})
}

// allPatterns tells whether all paths of a host are regular expressions, because an
// Ingress that was written for ingress-nginx has some there.
func (e *edit) allPatterns(host string) bool {
	list, _ := e.naming.Get(host)
	return slices.ContainsFunc(list, func(ing *config.Ingress) bool {
		return ing.Policy != nil && ing.Policy.Nginx && ing.Policy.Regexp && e.in.Owners.allow(host, ing.Namespace, list)
	})
}

// candidates are the routes of a host that are patterns.
func (s *site) candidates() func(func(*Route) bool) {
	return func(yield func(*Route) bool) {
		for _, r := range s.expressions {
			if !yield(r) {
				return
			}
		}
		if !s.allPatterns {
			return
		}
		for _, r := range s.exact {
			if !yield(r) {
				return
			}
		}
		s.root.each(yield)
	}
}

// compile is the expression of a route's path, which is taken literally if it is none.
func (s *site) compile(r *Route) *regexp.Regexp {
	path, err := policy.Pattern(r.Path, s.allPatterns)
	if err != nil {
		path = regexp.MustCompile("^" + regexp.QuoteMeta(r.Path))
	}
	return path
}

// rank orders routes whose paths have one text, of which a host has one of each kind.
func (r *Route) rank() int {
	switch {
	case r.place.pattern:
		return 0
	case r.place.exact:
		return 1
	}
	return 2
}

// each yields the routes at and below a node, and tells whether more are wanted.
func (n *node) each(yield func(*Route) bool) bool {
	if n == nil {
		return true
	}
	if n.route != nil && !yield(n.route) {
		return false
	}
	for _, below := range n.next {
		if !below.each(yield) {
			return false
		}
	}
	return true
}

// setExpression makes r (nil: nothing) the route of a pattern, by its text.
func (s *site) setExpression(generation uint64, path string, r *Route) {
	s.expressions = setIn(s.expressions, s.expressionsOf != generation, path, r)
	s.expressionsOf = generation
}
