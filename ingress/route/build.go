package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// Input is what a table is built from.
type Input struct {
	Snapshot *config.Snapshot       // Ingresses, Services, Endpoints, Certificates
	Default  *config.IngressBackend // for what no Ingress serves; may be nil

	// For whoever wants the Problems and not the table.
	NoEndpoints    bool // Snapshot holds no Endpoints; every route answers 503
	NoCertificates bool // Snapshot holds no Certificates; their absence is no Problem
}

// Build makes the routing table of all Ingresses and tells what is wrong with
// them, sorted by object and field. It always returns a table: a faulty rule
// answers 503 or, if it cannot be matched at all, is left out; nothing else
// suffers.
func Build(in Input) (*Table, []config.Problem) {
	b := &builder{
		in:     in,
		table:  &Table{hosts: map[string]*site{}, suffixes: map[string]*site{}},
		groups: map[config.IngressBackend]*Group{},
	}
	for _, ing := range OldestFirst(in.Snapshot.Ingresses) {
		b.add(ing)
	}
	b.addGlobalDefault()
	slices.SortStableFunc(b.problems, func(x, y config.Problem) int {
		return cmp.Or(x.Object.Compare(y.Object.Key), strings.Compare(x.Field, y.Field))
	})
	return b.table, b.problems
}

// OldestFirst lists Ingresses in the order in which they win conflicts.
func OldestFirst(ingresses config.Table[config.Key, *config.Ingress]) []*config.Ingress {
	list := make([]*config.Ingress, 0, ingresses.Len())
	for _, ing := range ingresses.All() {
		list = append(list, ing)
	}
	slices.SortFunc(list, func(a, b *config.Ingress) int {
		return cmp.Or(a.Created.Compare(b.Created), a.Key.Compare(b.Key))
	})
	return list
}

type builder struct {
	in       Input
	table    *Table // complete only when all Ingresses were added
	groups   map[config.IngressBackend]*Group
	problems []config.Problem
}

func (b *builder) add(ing *config.Ingress) {
	var own []*site // sites of this Ingress's hosts
	for _, i := range longestFirst(ing.Rules) {
		rule := &ing.Rules[i]
		s := b.site(rule.Host)
		own = append(own, s)
		if !hostOnly(rule) {
			b.addRule(ing, rule, s)
		}
	}
	b.addDefault(ing, own)
	b.checkTLS(ing)
}

// hostOnly tells whether a rule stands for one without an http section, which
// names a host for the default backend and nothing else.
func hostOnly(rule *config.IngressRule) bool {
	return rule.Path == "" && rule.Backend.Service.Name == ""
}

// longestFirst orders rules by the length of their paths, so that of two
// spellings of one Prefix in one Ingress, /a and /a/, the longer one counts.
func longestFirst(rules []config.IngressRule) []int {
	order := make([]int, len(rules))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return len(rules[j].Path) - len(rules[i].Path)
	})
	return order
}

// site returns the paths of a host as written in a rule, made if need be.
func (b *builder) site(host string) *site {
	host = strings.ToLower(host)
	if host == "" {
		if b.table.anyHost == nil {
			b.table.anyHost = &site{}
		}
		return b.table.anyHost
	}
	sites := b.table.hosts
	if suffix, ok := strings.CutPrefix(host, "*."); ok {
		sites, host = b.table.suffixes, suffix
	}
	s := sites[host]
	if s == nil {
		s = &site{}
		sites[host] = s
	}
	return s
}

func (b *builder) addRule(ing *config.Ingress, rule *config.IngressRule, s *site) {
	path, err := CleanPath(rule.Path)
	if err != nil {
		b.problems = append(b.problems, badPath(ing, rule, err))
		return
	}
	if looksLikeRegexp(rule) {
		b.problems = append(b.problems, notRegexp(ing, rule))
	}
	slot := s.slot(rule.Type, path)
	if *slot != nil {
		b.problems = append(b.problems, conflict(ing, rule, (*slot).Ingress))
		return
	}
	group := b.group(ing, rule.Backend, ruleField(rule))
	*slot = b.route(ing.Key, rule.Host, cmp.Or(rule.Path, "/"), group)
	if rule.Type == config.PathExact {
		s.exact[path] = *slot
	}
}

// slot is where the route of a path belongs. That of an Exact path is a copy,
// for a map's values have no address.
func (s *site) slot(kind config.PathType, path string) **Route {
	if kind == config.PathExact {
		if s.exact == nil {
			s.exact = map[string]*Route{}
		}
		found := s.exact[path]
		return &found
	}
	n := &s.root
	for element := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if element != "" {
			n = n.child(element)
		}
	}
	return &n.route
}

func (n *node) child(element string) *node {
	c := n.next[element]
	if c == nil {
		c = &node{}
		if n.next == nil {
			n.next = map[string]*node{}
		}
		n.next[element] = c
	}
	return c
}

// addDefault makes spec.defaultBackend serve the rest of the Ingress's own
// hosts or, if it has no rules, the rest of everything.
func (b *builder) addDefault(ing *config.Ingress, own []*site) {
	if ing.Default == nil {
		return
	}
	if winner := b.table.fallback; winner != nil && len(ing.Rules) == 0 {
		b.problems = append(b.problems, defaultConflict(ing, winner.Ingress))
		return
	}
	r := b.route(ing.Key, "", "", b.group(ing, *ing.Default, "spec.defaultBackend"))
	if len(ing.Rules) == 0 {
		b.table.fallback = r
	}
	for _, s := range own {
		if s.fallback == nil {
			s.fallback = r
		}
	}
}

// addGlobalDefault serves what no Ingress does by the installation's own
// default backend, if it has one. What is wrong with it is told to the
// Service, for there is no Ingress.
func (b *builder) addGlobalDefault() {
	if b.in.Default == nil || b.table.fallback != nil {
		return
	}
	before := len(b.problems)
	b.table.fallback = b.route(config.Key{}, "", "", b.group(&config.Ingress{}, *b.in.Default, "default backend"))
	for i := range b.problems[before:] {
		b.problems[before+i].Object = config.Ref{Kind: config.KindService, Key: b.in.Default.Service}
		b.problems[before+i].Field = ""
	}
}

func (b *builder) route(ing config.Key, host, path string, g *Group) *Route {
	b.table.routes++
	return &Route{Ingress: ing, Host: host, Path: path, Group: g}
}
