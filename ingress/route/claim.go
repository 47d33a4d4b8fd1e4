package route

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// place is what only one rule can have: a host and a path of one kind.
type place struct {
	host    string // lower case, as in rules
	exact   bool
	pattern bool   // the path is a regular expression, whatever type it has
	path    string // as compared; of a Prefix without the slashes around it
}

// claim is a rule that wants a place.
type claim struct {
	ing   *config.Ingress
	index int // in ing.Rules
}

func (c claim) rule() *config.IngressRule { return &c.ing.Rules[c.index] }

// compare orders claims to one place by who gets it. Of two spellings of one
// Prefix in one Ingress, /a and /a/, the longer one counts.
func (c claim) compare(o claim) int {
	return cmp.Or(byAge(c.ing, o.ing), cmp.Compare(len(o.rule().Path), len(c.rule().Path)), cmp.Compare(c.index, o.index))
}

// maxPath bounds the paths of rules, in bytes. No client asks for longer ones:
// a request line has to fit into the proxy's buffer.
const maxPath = 4096

var errLongPath = errors.New("it is longer than " + fmt.Sprint(maxPath) + " bytes")

// placeOf is the place that a rule wants. A rule with a path that no request
// can match wants none: err says why.
func placeOf(ing *config.Ingress, rule *config.IngressRule) (place, error) {
	if len(rule.Path) > maxPath {
		return place{}, errLongPath
	}
	if isPattern(ing, rule) {
		_, err := policy.Pattern(orRoot(rule.Path), ing.Policy.Nginx)
		return place{host: strings.ToLower(rule.Host), pattern: true, path: orRoot(rule.Path)}, err
	}
	path, err := CleanPath(rule.Path)
	if err != nil {
		return place{}, err
	}
	at := place{host: strings.ToLower(rule.Host), exact: rule.Type == config.PathExact, path: path}
	if !at.exact {
		at.path = strings.Trim(path, "/")
	}
	return at, nil
}

// hostOnly tells whether a rule stands for one without an http section, which
// names a host for the default backend and nothing else.
func hostOnly(rule *config.IngressRule) bool {
	return rule.Path == "" && rule.Backend.Service.Name == ""
}

// bare tells whether an Ingress is a default backend without rules.
func bare(ing *config.Ingress) bool { return ing.Default != nil && len(ing.Rules) == 0 }

// hostsOf are the hosts that an Ingress (nil: none) names, each once.
func hostsOf(ing *config.Ingress) []string {
	if ing == nil {
		return nil
	}
	hosts := make([]string, len(ing.Rules))
	for i := range ing.Rules {
		hosts[i] = strings.ToLower(ing.Rules[i].Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// servicesOf are the Services that an Ingress (nil: none) names, each once.
func servicesOf(ing *config.Ingress) []config.Key {
	if ing == nil {
		return nil
	}
	var out []config.Key
	add := func(back config.IngressBackend) {
		if back.Service.Name != "" {
			out = append(out, back.Service)
		}
	}
	for i := range ing.Rules {
		add(ing.Rules[i].Backend)
	}
	if ing.Default != nil {
		add(*ing.Default)
	}
	slices.SortFunc(out, config.Key.Compare)
	return slices.Compact(out)
}

// tlsHostsOf are the hosts that an Ingress (nil: none) brings certificates for,
// each once.
func tlsHostsOf(ing *config.Ingress) []string {
	if ing == nil {
		return nil
	}
	var out []string
	for _, tls := range ing.TLS {
		if tls.Secret.Name != "" {
			out = append(out, tls.Hosts...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// secretFor is the Secret with which an Ingress certifies a host.
func secretFor(ing *config.Ingress, host string) config.Key {
	for _, tls := range ing.TLS {
		if tls.Secret.Name != "" && slices.Contains(tls.Hosts, host) {
			return tls.Secret
		}
	}
	return config.Key{}
}

// secretsOf are the Secrets that an Ingress (nil: none) names for TLS, each once.
func secretsOf(ing *config.Ingress) []config.Key {
	if ing == nil {
		return nil
	}
	var out []config.Key
	for _, tls := range ing.TLS {
		if tls.Secret.Name != "" {
			out = append(out, tls.Secret)
		}
	}
	slices.SortFunc(out, config.Key.Compare)
	return slices.Compact(out)
}

// minus is what stands in a and not in b; both are sorted.
func minus[T any](a, b []T, compare func(x, y T) int) []T {
	var out []T
	for _, v := range a {
		if _, found := slices.BinarySearchFunc(b, v, compare); !found {
			out = append(out, v)
		}
	}
	return out
}

// with is a sorted list with v in it; the list itself stays as it is.
func with[T any](list []T, v T, compare func(a, b T) int) []T {
	i, found := slices.BinarySearchFunc(list, v, compare)
	if found {
		return list
	}
	return slices.Insert(slices.Clip(list), i, v)
}

// without is a sorted list without v; the list itself stays as it is.
func without[T any](list []T, v T, compare func(a, b T) int) []T {
	i, found := slices.BinarySearchFunc(list, v, compare)
	if !found {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}
