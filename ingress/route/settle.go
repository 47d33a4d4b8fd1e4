package route

import (
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// settleOwner looks at all rules for a host again if another namespace owns it now.
func (e *edit) settleOwner(host string) {
	was, _ := e.prev.named.Get(host)
	list, _ := e.naming.Get(host)
	if e.in.Owners.claimant(host, was) != e.in.Owners.claimant(host, list) {
		e.unsettle(was)
		e.unsettle(list)
	}
}

// settleHost makes the default backend of one host right; all its places are. A
// host that nobody names who may is forgotten: requests go to a less specific one.
func (e *edit) settleHost(host string) {
	list, _ := e.naming.Get(host)
	var route *Route
	named := false
	for _, ing := range list {
		if !e.in.Owners.allow(host, ing.Namespace, list) {
			continue
		}
		if named = true; ing.Default != nil {
			route = e.route(ing, "", "", *ing.Default)
			break
		}
	}
	e.release(e.tree.setFallback(host, route))
	if !named {
		e.tree.forget(host)
	}
}

// settleAliases makes the other names right that changed, or whose hosts did.
func (e *edit) settleAliases() {
	for host := range e.hosts {
		if _, ok := e.aliased.Get(host); ok {
			e.aliases[host] = true
		}
	}
	for name := range e.aliases {
		e.settleAlias(name)
	}
}

// settleExpressions makes the regular expressions right of hosts of which something
// changed.
func (e *edit) settleExpressions() {
	for at := range e.places {
		e.hosts[at.host] = true
	}
	for host := range e.hosts {
		e.settlePatterns(host)
	}
}

// unsettle asks to look at all rules of some Ingresses again, as they were and
// as they are: what a list holds may be an older state of one.
func (e *edit) unsettle(list []*config.Ingress) {
	for _, in := range list {
		e.dirty[in.Key] = true
		for _, snap := range []*config.Snapshot{e.prev.in.Snapshot, e.in.Snapshot} {
			ing, _ := snap.Ingresses.Get(in.Key)
			for i := range rulesOf(ing) {
				e.wants(ing, i)
			}
		}
	}
}

// settle gives a place to whom it belongs. All who want it hear so if that is
// somebody else than before.
func (e *edit) settle(at place) {
	list, _ := e.claims.Get(at)
	was, _ := e.prev.claims.Get(at)
	before, had := winner(e.in.Owners, e.prev.named, at, was)
	now, has := winner(e.in.Owners, e.naming, at, list)
	if had != has || has && (before.ing.Key != now.ing.Key || before.index != now.index) {
		for _, c := range list {
			e.dirty[c.ing.Key] = true
		}
		e.toldCanaries(was, list)
	}
	var route *Route
	if has {
		rule := now.rule()
		route = e.route(now.ing, rule.Host, orRoot(rule.Path), rule.Backend)
		route.place, route.Canary = at, e.canary(now)
	}
	e.release(e.tree.set(at, route))
}

func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// naming is a table of who names a host, edited or not.
type naming interface {
	Get(host string) ([]*config.Ingress, bool)
}

// winner is the first claim of a place whose namespace may use the host.
func winner(owners *Owners, named naming, at place, list []claim) (claim, bool) {
	by, _ := named.Get(at.host)
	for _, c := range list {
		if owners.allow(at.host, c.ing.Namespace, by) {
			return c, true
		}
	}
	return claim{}, false
}

// settleDefault serves what no host does: by the oldest Ingress without rules,
// else by the installation's own default backend. What is wrong with that one
// is told to the Service, for there is no Ingress.
func (e *edit) settleDefault() {
	var route *Route
	first := func(list []*config.Ingress) *config.Ingress {
		i := slices.IndexFunc(list, func(ing *config.Ingress) bool { return e.in.Owners.allow("", ing.Namespace, list) })
		if i < 0 {
			return nil
		}
		return list[i]
	}
	if was, now := first(e.prev.defaults), first(e.defaults); was != now {
		for _, ing := range e.defaults {
			e.dirty[ing.Key] = true
		}
	}
	if ing := first(e.defaults); ing != nil {
		route = e.route(ing, "", "", *ing.Default)
	} else if back := e.in.Default; back != nil {
		route = e.route(&config.Ingress{}, "", "", *back)
		if _, p := e.port(&config.Ingress{}, *back, "default backend"); p != nil {
			p.Object, p.Field = config.Ref{Kind: config.KindService, Key: back.Service}, ""
			e.global = []config.Problem{*p}
		}
	}
	e.release(e.tree.setDefault(route))
}
