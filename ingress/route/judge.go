package route

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// judge finds what is wrong with the Ingresses that are dirty.
func (e *edit) judge() {
	for key := range e.dirty {
		e.touched = append(e.touched, key)
		ing, ok := e.in.Snapshot.Ingresses.Get(key)
		if !ok {
			e.problems.Delete(key)
			continue
		}
		of := e.judgement(ing)
		slices.SortStableFunc(of, func(x, y config.Problem) int { return strings.Compare(x.Field, y.Field) })
		put(e.problems, key, of)
	}
	slices.SortFunc(e.touched, config.Key.Compare)
}

// judgement is what is wrong with one Ingress among all others.
func (e *edit) judgement(ing *config.Ingress) []config.Problem {
	var out []config.Problem
	for i := range ing.Rules {
		out = append(out, e.judgeRule(claim{ing, i})...)
	}
	if ing.Default != nil {
		out = append(out, e.judgeDefault(ing)...)
	}
	out = append(out, e.judgeAliases(ing)...)
	return append(out, e.judgeTLS(ing)...)
}

func (e *edit) judgeRule(c claim) []config.Problem {
	rule := c.rule()
	at, err := placeOf(c.ing, rule)
	if err != nil {
		return []config.Problem{badPath(c.ing, rule, err)}
	}
	naming, _ := e.naming.Get(at.host)
	if !e.in.Owners.allow(at.host, c.ing.Namespace, naming) {
		return []config.Problem{notOwner(c.ing, rule, e.in.Owners.of(at.host, naming))}
	}
	if hostOnly(rule) {
		return nil
	}
	var out []config.Problem
	if looksLikeRegexp(rule) && !at.pattern && !e.allPatterns(at.host) {
		out = append(out, notRegexp(c.ing, rule))
	}
	if isCanary(c.ing) {
		return e.judgeCanary(c)
	}
	list, _ := e.claims.Get(at)
	if first, ok := winner(e.in.Owners, e.naming, at, list); ok && first.compare(c) != 0 {
		return append(out, conflict(c.ing, rule, first.ing.Key))
	}
	if rule.Backend.Service.Name != "" {
		if _, p := e.port(c.ing, rule.Backend, ruleField(rule)); p != nil {
			out = append(out, *p)
		}
	}
	return out
}

func (e *edit) judgeDefault(ing *config.Ingress) []config.Problem {
	if bare(ing) {
		if !e.in.Owners.allow("", ing.Namespace, e.defaults) {
			return []config.Problem{notOwnerOfDefault(ing, e.in.Owners.of("", e.defaults))}
		}
		if winner := e.tree.table.fallback; winner != nil && winner.Ingress != ing.Key {
			return []config.Problem{defaultConflict(ing, winner.Ingress)}
		}
	}
	if ing.Default.Service.Name == "" {
		return nil // told by whoever read the Ingress
	}
	if _, p := e.port(ing, *ing.Default, "spec.defaultBackend"); p != nil {
		return []config.Problem{*p}
	}
	return nil
}

// judgeTLS finds Secrets that are not there and hosts that an older Ingress has
// a certificate for. What is wrong inside a Secret is
// found where certificates are parsed.
func (e *edit) judgeTLS(ing *config.Ingress) []config.Problem {
	if e.in.NoCertificates {
		return nil
	}
	var out []config.Problem
	for i, tls := range ing.TLS {
		if tls.Secret.Name == "" {
			continue // TLS by the default certificate, on purpose
		}
		if _, ok := e.in.Snapshot.Certificates.Get(tls.Secret); !ok {
			out = append(out, noSecret(ing, i, tls.Secret))
		}
		for _, host := range tls.Hosts {
			list, _ := e.certify.Get(host)
			if len(list) == 0 || list[0].Key == ing.Key {
				continue
			}
			if first, ok := e.in.Snapshot.Ingresses.Get(list[0].Key); ok && secretFor(first, host) != tls.Secret {
				out = append(out, certified(ing, i, host, first.Key))
				break
			}
		}
	}
	return out
}
