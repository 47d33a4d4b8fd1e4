package route

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// moveIngresses takes what Ingresses that changed claim no more away and puts
// what they claim now in.
func (e *edit) moveIngresses() {
	before, now := e.prev.in.Snapshot, e.in.Snapshot
	for key := range config.Differing(before.Ingresses, now.Ingresses) {
		e.dirty[key] = true
		old, _ := before.Ingresses.Get(key)
		ing, _ := now.Ingresses.Get(key)
		if ing == nil || ing.Policy == nil || len(ing.Policy.Rates) == 0 {
			e.limiters.Delete(key)
		}
		e.moveRules(old, ing)
		e.moveHosts(old, ing)
		e.moveNeeds(key, old, ing)
		e.moveTLS(old, ing)
		e.moveAliases(old, ing)
		if old != nil && bare(old) {
			e.defaults = without(e.defaults, old, byAge)
		}
		if ing != nil && bare(ing) {
			e.defaults = with(e.defaults, ing, byAge)
		}
	}
	for secret := range config.Differing(before.Certificates, now.Certificates) {
		list, _ := e.secrets.Get(secret)
		for _, key := range list {
			e.dirty[key] = true
		}
	}
}

// moveRules leaves the claims of rules that are the same in both states of an
// Ingress, either of which may be nil, as they are: those of the old one stay.
func (e *edit) moveRules(old, ing *config.Ingress) {
	for i := range max(rulesOf(old), rulesOf(ing)) {
		had, has := i < rulesOf(old), i < rulesOf(ing)
		if had && has && old.Created.Equal(ing.Created) && old.Rules[i] == ing.Rules[i] && samePolicy(old.Policy, ing.Policy) {
			continue
		}
		if had {
			e.reclaim(old, i, without[claim])
		}
		if has {
			e.reclaim(ing, i, with[claim])
		}
	}
}

// reclaim changes the list that has what rule i of an Ingress claims: by with or without.
func (e *edit) reclaim(ing *config.Ingress, i int, change func([]claim, claim, func(a, b claim) int) []claim) {
	c := claim{ing, i}
	if isCanary(ing) {
		at := e.wantsSome(ing, i)
		list, _ := e.canaries.Get(at)
		e.toldCanaries([]claim{c})
		put(e.canaries, at, change(list, c, claim.compare))
	} else if at, ok := e.wants(ing, i); ok {
		list, _ := e.claims.Get(at)
		put(e.claims, at, change(list, c, claim.compare))
	}
}

func rulesOf(ing *config.Ingress) int {
	if ing == nil {
		return 0
	}
	return len(ing.Rules)
}

// moveHosts does the same for the hosts that an Ingress names.
func (e *edit) moveHosts(old, ing *config.Ingress) {
	left, came := hostsOf(old), hostsOf(ing)
	if old != nil && ing != nil && old.Created.Equal(ing.Created) && sameBackend(old.Default, ing.Default) && samePolicy(old.Policy, ing.Policy) {
		left, came = minus(left, came, strings.Compare), minus(came, left, strings.Compare)
	}
	for _, host := range left {
		e.hosts[host] = true
		list, _ := e.naming.Get(host)
		put(e.naming, host, without(list, old, byAge))
	}
	for _, host := range came {
		e.hosts[host] = true
		list, _ := e.naming.Get(host)
		put(e.naming, host, with(list, ing, byAge))
	}
}

func sameBackend(a, b *config.IngressBackend) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// samePolicy tells whether policies, nil or not, ask for the same.
func samePolicy(a, b *config.IngressPolicy) bool { return a == b || a != nil && b != nil && a.Equal(b) }

// moveTLS does the same for the hosts that it brings certificates for. All who
// bring one for a host hear so if another Ingress wins, or it brings another.
func (e *edit) moveTLS(old, ing *config.Ingress) {
	if old != nil && ing != nil && old.Created.Equal(ing.Created) && slices.EqualFunc(old.TLS, ing.TLS, sameTLS) {
		return
	}
	for _, host := range tlsHostsOf(old) {
		list, _ := e.certify.Get(host)
		e.dirtyBelow(list, old)
		put(e.certify, host, without(list, old, byAge))
	}
	for _, host := range tlsHostsOf(ing) {
		list, _ := e.certify.Get(host)
		list = with(list, ing, byAge)
		e.dirtyBelow(list, ing)
		put(e.certify, host, list)
	}
}

func sameTLS(a, b config.IngressTLS) bool {
	return a.Secret == b.Secret && slices.Equal(a.Hosts, b.Hosts)
}

// dirtyBelow has all Ingresses of a list judged anew if ing is the first.
func (e *edit) dirtyBelow(list []*config.Ingress, ing *config.Ingress) {
	if len(list) == 0 || list[0].Key != ing.Key {
		return
	}
	for _, other := range list {
		e.dirty[other.Key] = true
	}
}

// moveNeeds does the same for the Services and Secrets that it names.
func (e *edit) moveNeeds(key config.Key, old, ing *config.Ingress) {
	was, is := servicesOf(old), servicesOf(ing)
	for _, svc := range minus(was, is, config.Key.Compare) {
		n := e.need(svc)
		n.ingresses = without(n.ingresses, key, config.Key.Compare)
		e.keep(svc, n)
	}
	for _, svc := range minus(is, was, config.Key.Compare) {
		n := e.need(svc)
		n.ingresses = with(n.ingresses, key, config.Key.Compare)
		e.keep(svc, n)
	}
	was, is = secretsOf(old), secretsOf(ing)
	for _, secret := range minus(was, is, config.Key.Compare) {
		list, _ := e.secrets.Get(secret)
		put(e.secrets, secret, without(list, key, config.Key.Compare))
	}
	for _, secret := range minus(is, was, config.Key.Compare) {
		list, _ := e.secrets.Get(secret)
		put(e.secrets, secret, with(list, key, config.Key.Compare))
	}
}

// wants is the place that rule i of an Ingress asks for, which is to be settled.
func (e *edit) wants(ing *config.Ingress, i int) (place, bool) {
	rule := &ing.Rules[i]
	if hostOnly(rule) {
		return place{}, false
	}
	if isCanary(ing) {
		e.wantsSome(ing, i)
		return place{}, false
	}
	at, err := placeOf(ing, rule)
	if err != nil {
		return place{}, false
	}
	e.places[at] = true
	return at, true
}

// put sets the list of k, or deletes it if it is empty.
func put[K comparable, T any](in *config.Edit[K, []T], k K, list []T) {
	if len(list) == 0 {
		in.Delete(k)
		return
	}
	in.Set(k, list)
}
