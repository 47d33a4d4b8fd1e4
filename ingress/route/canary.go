package route

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// spot is a host and a path of whatever kind: where a canary finds the rule whose
// requests it takes some of.
type spot struct{ host, path string }

func spotOf(rule *config.IngressRule) spot {
	return spot{strings.ToLower(rule.Host), strings.Trim(orRoot(rule.Path), "/")}
}

// isCanary tells whether an Ingress takes requests of others, and has no places of its own.
func isCanary(ing *config.Ingress) bool { return ing.Policy != nil && ing.Policy.Canary != nil }

// wantsSome is the spot at which rule i of a canary takes some requests, whose places
// are to be settled.
func (e *edit) wantsSome(ing *config.Ingress, i int) spot {
	at := spotOf(&ing.Rules[i])
	for _, p := range at.places() {
		e.places[p] = true
	}
	return at
}

// places are those that a rule there may have.
func (s spot) places() []place {
	all := []place{{host: s.host, path: s.path}}
	for _, path := range []string{"/" + s.path, "/" + s.path + "/"} {
		all = append(all, place{host: s.host, exact: true, path: path}, place{host: s.host, pattern: true, path: path})
	}
	return all
}

// canary is the route of the oldest canary for a rule, of the same namespace; nil if
// there is none.
func (e *edit) canary(main claim) *Route {
	list, _ := e.canaries.Get(spotOf(main.rule()))
	for _, c := range list {
		if c.ing.Namespace == main.ing.Namespace {
			to := c.rule().Backend
			to.Sticky = main.rule().Backend.Sticky
			return e.route(c.ing, c.rule().Host, orRoot(c.rule().Path), to)
		}
	}
	return nil
}

// toldCanaries has the canaries judged anew for whose place another rule counts now.
func (e *edit) toldCanaries(lists ...[]claim) {
	for _, list := range lists {
		for _, c := range list {
			canaries, _ := e.canaries.Get(spotOf(c.rule()))
			for _, c := range canaries {
				e.dirty[c.ing.Key] = true
			}
		}
	}
}

// judgeCanary finds what a rule of a canary takes nothing of.
func (e *edit) judgeCanary(c claim) []config.Problem {
	at, mains := spotOf(c.rule()), []claim{}
	for _, p := range at.places() {
		list, _ := e.claims.Get(p)
		if main, ok := winner(e.in.Owners, e.naming, p, list); ok {
			mains = append(mains, main)
		}
	}
	canaries, _ := e.canaries.Get(at)
	first := slices.IndexFunc(canaries, func(o claim) bool { return o.ing.Namespace == c.ing.Namespace })
	switch {
	case len(mains) == 0:
		return []config.Problem{problem(c.ing, ruleField(c.rule()), ReasonNotFound,
			"there is no other Ingress with this host and path, of whose requests the canary could take some", "create it, or remove the annotation canary")}
	case !slices.ContainsFunc(mains, func(m claim) bool { return m.ing.Namespace == c.ing.Namespace }):
		return []config.Problem{problem(c.ing, ruleField(c.rule()), ReasonRefused,
			fmt.Sprintf("Ingress %s serves this host and path; a canary takes requests of its own namespace alone", mains[0].ing.Key), "create the canary there")}
	case first >= 0 && canaries[first].compare(c) != 0:
		return []config.Problem{conflictOfCanaries(c, canaries[first].ing.Key)}
	}
	return nil
}

func conflictOfCanaries(c claim, winner config.Key) config.Problem {
	return problem(c.ing, ruleField(c.rule()), ReasonConflict,
		fmt.Sprintf("Ingress %s is the canary for this host and path already, and the oldest one counts", winner),
		"remove one of the two")
}
