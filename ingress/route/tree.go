package route

import (
	"maps"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// treeEdit makes one Table out of another that stays as it is: what it changes
// it copies first, once. What it has made bears its generation.
type treeEdit struct {
	generation uint64
	table      Table // but for hosts, suffixes and groups
	hosts      *config.Edit[string, *site]
	suffixes   *config.Edit[string, *site]
	aliases    *config.Edit[string, alias]
	owned      []*site // those that it has made
}

func newTreeEdit(from *Table, generation uint64) *treeEdit {
	return &treeEdit{generation: generation, table: *from, hosts: from.hosts.Edit(), suffixes: from.suffixes.Edit(), aliases: from.aliases.Edit()}
}

func (t *treeEdit) done() *Table {
	for _, s := range t.owned {
		s.flat = flatten(s.root)
	}
	t.table.hosts, t.table.suffixes = t.hosts.Done(), t.suffixes.Done()
	t.table.aliases = t.aliases.Done()
	return &t.table
}

// where is the table that a host as written in a rule is found in, by its key
// there; nil for rules without a host.
func (t *treeEdit) where(host string) (*config.Edit[string, *site], string) {
	if host == "" {
		return nil, ""
	}
	if suffix, ok := strings.CutPrefix(host, "*."); ok {
		return t.suffixes, suffix
	}
	return t.hosts, host
}

// forget drops a host that nobody names any more.
func (t *treeEdit) forget(host string) {
	if in, key := t.where(host); in != nil {
		in.Delete(key)
	} else {
		t.table.anyHost = nil
	}
}

// own is the site of a host, to be changed; made if need be.
func (t *treeEdit) own(host string) *site {
	in, key := t.where(host)
	s := t.table.anyHost
	if in != nil {
		s, _ = in.Get(key)
	}
	switch {
	case s == nil:
		s = &site{generation: t.generation}
	case s.generation == t.generation:
		return s
	default:
		mine := *s
		mine.generation = t.generation
		s = &mine
	}
	t.owned = append(t.owned, s)
	if in != nil {
		in.Set(key, s)
	} else {
		t.table.anyHost = s
	}
	return s
}

// peek is the site of a host, not to be changed; nil if there is none.
func (t *treeEdit) peek(host string) *site {
	in, key := t.where(host)
	if in == nil {
		return t.table.anyHost
	}
	s, _ := in.Get(key)
	return s
}

// set makes r (nil: nothing) the route of a place and returns the one before.
func (t *treeEdit) set(at place, r *Route) (before *Route) {
	if s := t.peek(at.host); s != nil {
		before = s.at(at)
	}
	if before.same(r) {
		return before
	}
	s := t.own(at.host)
	switch {
	case at.pattern:
		s.setExpression(t.generation, at.path, r)
	case at.exact:
		s.setExact(t.generation, at.path, r)
	default:
		s.root = s.root.with(t.generation, at.path, r)
	}
	t.count(before, r)
	return before
}

// same tells whether two routes, either of which may be nil, do the same.
func (r *Route) same(o *Route) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Ingress == o.Ingress && r.Host == o.Host && r.Path == o.Path && r.place == o.place && r.Backend == o.Backend &&
		r.Group == o.Group && r.Canary.same(o.Canary) && samePolicy(r.Policy.Source(), o.Policy.Source())
}

// setFallback makes r the route of what no path of a host serves and returns
// the one before.
func (t *treeEdit) setFallback(host string, r *Route) (before *Route) {
	s := t.own(host)
	before, s.fallback = s.fallback, r
	t.count(before, r)
	return before
}

// setDefault makes r the route of what no host serves and returns the one before.
func (t *treeEdit) setDefault(r *Route) (before *Route) {
	before, t.table.fallback = t.table.fallback, r
	t.count(before, r)
	return before
}

func (t *treeEdit) count(before, now *Route) {
	if before != nil {
		t.table.routes--
	}
	if now != nil {
		t.table.routes++
	}
}

// at is the route of a place of this site; nil if there is none.
func (s *site) at(at place) *Route {
	switch {
	case at.pattern:
		return s.expressions[at.path]
	case at.exact:
		return s.exact[at.path]
	}
	n := s.root
	for element := range elements(at.path) {
		if n == nil {
			return nil
		}
		n = n.next[element]
	}
	if n == nil {
		return nil
	}
	return n.route
}

func (s *site) setExact(generation uint64, path string, r *Route) {
	s.exact = setIn(s.exact, s.exactOf != generation, path, r)
	s.exactOf = generation
}

// setIn makes r (nil: nothing) what a map has for a path; if an older table has the map
// too, in a copy.
func setIn(m map[string]*Route, shared bool, path string, r *Route) map[string]*Route {
	if shared {
		m = maps.Clone(m)
	}
	if r == nil {
		delete(m, path)
		return m
	}
	if m == nil {
		m = map[string]*Route{}
	}
	m[path] = r
	return m
}

// elements are the elements of a path without slashes around it.
func elements(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if path != "" {
			strings.SplitSeq(path, "/")(yield)
		}
	}
}

// with is n, which may be nil, with r as the route of a path below it; nil if
// nothing is left.
func (n *node) with(generation uint64, path string, r *Route) *node {
	n = n.own(generation)
	if path == "" {
		n.route = r
	} else {
		element, rest, _ := strings.Cut(path, "/")
		if child := n.next[element].with(generation, rest, r); child != nil {
			if n.next == nil {
				n.next = map[string]*node{}
			}
			n.next[element] = child
		} else {
			delete(n.next, element)
		}
	}
	if n.route == nil && len(n.next) == 0 {
		return nil
	}
	return n
}

// own is n itself if it is of this generation, else a copy that is.
func (n *node) own(generation uint64) *node {
	switch {
	case n == nil:
		return &node{generation: generation}
	case n.generation == generation:
		return n
	}
	return &node{generation: generation, route: n.route, next: maps.Clone(n.next)}
}
