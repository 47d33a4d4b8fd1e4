package route

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// alias is what becomes of a host that no rule names, but an annotation.
type alias struct {
	to string // the host that it stands for
	// away sends its requests to that host; nil: they are served as if they were for it.
	away *Route
}

// aliasesOf are the other names that an Ingress (nil: none) has hosts known by.
func aliasesOf(ing *config.Ingress) map[string]alias {
	if ing == nil || ing.Policy == nil || !ing.Policy.WWW && len(ing.Policy.Aliases) == 0 {
		return nil
	}
	out, hosts := map[string]alias{}, hostsOf(ing)
	if ing.Policy.WWW {
		for _, host := range hosts {
			if host == "" || strings.HasPrefix(host, "*") {
				continue
			}
			other, is := strings.CutPrefix(host, "www.")
			if !is {
				other = "www." + host
			}
			out[other] = alias{to: host, away: &Route{Ingress: ing.Key, Host: other, Path: "/", Policy: policy.ToHost(host)}}
		}
	}
	if len(ing.Rules) > 0 {
		for _, name := range ing.Policy.Aliases {
			out[name] = alias{to: strings.ToLower(ing.Rules[0].Host)}
		}
	}
	for name := range out {
		if slices.Contains(hosts, name) {
			delete(out, name)
		}
	}
	return out
}

// moveAliases takes the other names that an Ingress had away and puts those that it
// has in.
func (e *edit) moveAliases(old, ing *config.Ingress) {
	for name := range aliasesOf(old) {
		list, _ := e.aliased.Get(name)
		put(e.aliased, name, without(list, old, byAge))
		e.aliases[name] = true
	}
	for name := range aliasesOf(ing) {
		list, _ := e.aliased.Get(name)
		put(e.aliased, name, with(list, ing, byAge))
		e.aliases[name] = true
	}
}

// settleAlias gives another name to the oldest Ingress that may have it. Hosts of
// rules go before.
func (e *edit) settleAlias(name string) {
	list, _ := e.aliased.Get(name)
	for _, ing := range list {
		e.dirty[ing.Key] = true
	}
	if first := e.known(name); first != nil {
		e.tree.aliases.Set(name, aliasesOf(first)[name])
	} else {
		e.tree.aliases.Delete(name)
	}
}

// known is the oldest Ingress whose annotations may name a host; nil if none may.
func (e *edit) known(name string) *config.Ingress {
	list, _ := e.aliased.Get(name)
	naming, _ := e.naming.Get(name)
	for _, ing := range list {
		if e.in.Owners.allow(name, ing.Namespace, naming) {
			return ing
		}
	}
	return nil
}

// judgeAliases finds the names that belong to others.
func (e *edit) judgeAliases(ing *config.Ingress) []config.Problem {
	if ing.Policy == nil {
		return nil
	}
	var out []config.Problem
	hosts := hostsOf(ing)
	for _, name := range ing.Policy.Aliases {
		naming, _ := e.naming.Get(name)
		first := e.known(name)
		switch {
		case len(hosts) == 0:
			out = append(out, aliasOfNothing(ing, name))
		case slices.Contains(hosts, name):
		case !e.in.Owners.allow(name, ing.Namespace, naming):
			out = append(out, notOwnerOfAlias(ing, name, e.in.Owners.of(name, naming)))
		case len(naming) > 0:
			out = append(out, aliasTaken(ing, name, naming[0].Key))
		case first != nil && first.Key != ing.Key:
			out = append(out, aliasTaken(ing, name, first.Key))
		}
	}
	return out
}
