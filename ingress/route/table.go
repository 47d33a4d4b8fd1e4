package route

import (
	"net/netip"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// Table maps hosts and paths to backends. It is immutable once [Build] has
// returned it; any number of goroutines may match against it. A nil Table
// matches nothing.
type Table struct {
	hosts    config.Table[string, *site]             // exact host → its paths
	suffixes config.Table[string, *site]             // "x" for the wildcard "*.x"
	anyHost  *site                                   // rules without a host; may be nil
	aliases  config.Table[string, alias]             // hosts that no rule names, but an annotation
	secured  config.Table[string, []*config.Ingress] // hosts, and wildcards, with a certificate
	fallback *Route                                  // what nothing else serves; may be nil
	groups   []*Group
	routes   int
}

// Route is one rule of an Ingress, or its default backend.
type Route struct {
	Ingress config.Key
	Name    string // of the Ingress with its namespace, as logs have it
	Host    string // as in the rule; "" for any
	Path    string // as in the rule; "" for a default backend
	Backend config.IngressBackend
	Group   int            // who serves it: index in [Table.Groups]
	Policy  *policy.Policy // what the annotations of the Ingress ask for; nil: nothing

	Canary *Route // takes some of the requests; nil: none does

	place place // that it has; none of a default backend
}

// Group is what serves a Service port. All routes to one port share a Group. It
// is never changed, only replaced by another at its index; one that no route
// leads to is empty.
type Group struct {
	Service   config.Key
	Protocol  config.BackendProtocol
	Sticky    bool             // clients come back to one endpoint
	UID       string           // of the Service, if it is sticky
	Port      string           // number or name, as the Ingress asks for it
	Fault     string           // why it can never serve as configured; "" if sound
	Endpoints []netip.AddrPort // in order, of one family unless they come from DNS; none: answer 503
}

// site holds the paths of one host.
type site struct {
	exact    map[string]*Route
	root     *node  // of Prefix paths; may be nil
	flat     flat   // the same paths, if they are few
	fallback *Route // default backend of the Ingresses of this host; may be nil

	patterns    []pattern         // paths that are regular expressions, the longest text first
	allPatterns bool              // all paths are
	expressions map[string]*Route // those that are by themselves, by their text

	generation, exactOf, expressionsOf uint64 // of the edits that made it and those
}

// node is a path element in the tree of Prefix paths.
type node struct {
	route *Route // the Prefix that ends here; may be nil
	next  map[string]*node

	generation uint64 // of the edit that made it
}

// Match returns the route of a request. host must come from [CleanHost] and
// path from [CleanPath]. It takes time in proportion to the length of the
// path, whatever the size of the table, and allocates nothing.
func (t *Table) Match(host, path string) (*Route, bool) {
	if t == nil {
		return nil, false
	}
	if away := t.away(host); away != nil {
		return away, true
	}
	if s := t.site(host); s != nil {
		if r := s.match(path); r != nil {
			return r, true
		}
	}
	return t.fallback, t.fallback != nil
}

// site returns the paths of the most specific host; nil if there are none.
func (t *Table) site(host string) *site {
	if s, ok := t.hosts.Get(host); ok {
		return s
	}
	if t.aliases.Len() > 0 {
		if a, ok := t.aliases.Get(host); ok {
			return t.named(a.to)
		}
	}
	if dot := strings.IndexByte(host, '.'); dot > 0 {
		if s, ok := t.suffixes.Get(host[dot+1:]); ok {
			return s
		}
	}
	return t.anyHost
}

// named returns the paths of a host as it is written in rules; nil if no rule that counts
// names it.
func (t *Table) named(host string) *site {
	if host == "" {
		return t.anyHost
	}
	if suffix, ok := strings.CutPrefix(host, "*."); ok {
		s, _ := t.suffixes.Get(suffix)
		return s
	}
	s, _ := t.hosts.Get(host)
	return s
}

func (s *site) match(path string) *Route {
	if r := s.exact[path]; r != nil && !s.allPatterns {
		return r
	}
	var r *Route
	if !s.allPatterns {
		r = s.longest(path)
	}
	if len(s.patterns) > 0 {
		if by := s.matchPattern(path); by != nil && (r == nil || len(by.Path) >= len(r.Path)) {
			return by
		}
	}
	if r != nil {
		return r
	}
	return s.fallback
}

// away is the route that sends the requests for a host to another; nil if there is none.
func (t *Table) away(host string) *Route {
	if t.aliases.Len() == 0 {
		return nil
	}
	a, ok := t.aliases.Get(host)
	if _, named := t.hosts.Get(host); !ok || named {
		return nil
	}
	return a.away
}

// Certified tells whether an Ingress brings a certificate for a host, which must come
// from [CleanHost].
func (t *Table) Certified(host string) bool {
	if _, ok := t.secured.Get(host); ok {
		return true
	}
	dot := strings.IndexByte(host, '.')
	if dot <= 0 {
		return false
	}
	_, ok := t.secured.Get("*" + host[dot:])
	return ok
}

// longest returns the route of the longest Prefix.
func (s *site) longest(path string) *Route {
	if s.flat.ends != nil {
		return s.flat.longest(path)
	}
	return s.root.longest(path)
}

// longest walks down the elements of path and returns the last route passed.
func (n *node) longest(path string) *Route {
	if n == nil {
		return nil
	}
	best, rest := n.route, strings.TrimPrefix(path, "/")
	for n.next != nil && rest != "" {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		if n = n.next[element]; n == nil {
			break
		}
		if n.route != nil {
			best = n.route
		}
	}
	return best
}

// Groups are the groups that routes lead to, and empty ones. The slice must not be changed.
func (t *Table) Groups() []*Group {
	if t == nil {
		return nil
	}
	return t.groups
}

// GroupOf is who serves a route of this table.
func (t *Table) GroupOf(r *Route) *Group { return t.groups[r.Group] }

// Size is the number of hosts, counting "any" as one, and of routes.
func (t *Table) Size() (hosts, routes int) {
	if t == nil {
		return 0, 0
	}
	hosts = t.hosts.Len() + t.suffixes.Len()
	if t.anyHost != nil {
		hosts++
	}
	return hosts, t.routes
}
