package issuance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// maxHosts is how many names public certificate authorities put into one
// certificate.
const maxHosts = 100

// want is a certificate that Ingresses ask for.
type want struct {
	certificate config.Key
	hosts       []string // sorted
	first       *config.Ingress
	field       string // of first
	ingresses   []*config.Ingress
}

// wants are the certificates that Ingresses, oldest first, ask for, in the order
// in which they first do, and what of it cannot be had.
func wants(ingresses []*config.Ingress) (list []*want, problems []config.Problem) {
	owners := hostOwners(ingresses)
	byKey := map[config.Key]*want{}
	for _, ing := range ingresses {
		if !ing.ACME {
			continue
		}
		for i, entry := range ing.TLS {
			if entry.Secret.Name == "" {
				continue // which was told where it was read
			}
			a := &asking{ing: ing, field: fmt.Sprintf("spec.tls[%d]", i)}
			hosts := a.hosts(entry, owners)
			problems = append(problems, a.problems...)
			if len(hosts) == 0 {
				continue
			}
			w := byKey[entry.Secret]
			if w == nil {
				w = &want{certificate: entry.Secret, first: ing, field: a.field}
				byKey[entry.Secret], list = w, append(list, w)
			}
			if !slices.Contains(w.ingresses, ing) {
				w.ingresses = append(w.ingresses, ing)
			}
			w.hosts = append(w.hosts, hosts...)
		}
	}
	for _, w := range list {
		slices.Sort(w.hosts)
		w.hosts = slices.Compact(w.hosts)
	}
	return list, problems
}

// hostOwners are the namespaces whose Ingress was the first to name a host, so
// that no tenant gets a certificate for what is another's.
func hostOwners(ingresses []*config.Ingress) map[string]*config.Ingress {
	owners := map[string]*config.Ingress{}
	claim := func(host string, ing *config.Ingress) {
		if host != "" && owners[host] == nil {
			owners[host] = ing
		}
	}
	for _, ing := range ingresses {
		for _, r := range ing.Rules {
			claim(r.Host, ing)
		}
		for _, t := range ing.TLS {
			for _, h := range t.Hosts {
				claim(h, ing)
			}
		}
	}
	return owners
}

// asking is one TLS entry that asks for a certificate.
type asking struct {
	ing      *config.Ingress
	field    string
	problems []config.Problem
}

func (a *asking) tell(field, reason, remedy, message string, args ...any) {
	a.problems = append(a.problems, problem(a.ing, a.field+field, reason, remedy, message, args...))
}

// hosts are those of an entry for which a certificate can be ordered. An entry
// without hosts is for those of the rules.
func (a *asking) hosts(entry config.IngressTLS, owners map[string]*config.Ingress) (out []string) {
	asked := entry.Hosts
	if len(asked) == 0 {
		for _, r := range a.ing.Rules {
			if r.Host != "" && !slices.Contains(asked, r.Host) {
				asked = append(asked, r.Host)
			}
		}
	}
	if len(asked) == 0 {
		a.tell(".hosts", ReasonInvalid, "list the hosts that the certificate is to be for", "no certificate can be ordered for no host")
	}
	for _, host := range asked {
		switch owner := owners[host]; {
		case strings.HasPrefix(host, "*."):
			a.tell(".hosts", ReasonUnsupported, "name each host, or have this certificate made by cert-manager, by DNS-01",
				"no certificate is ordered for %s: a wildcard cannot be proven by HTTP-01 or TLS-ALPN-01", host)
		case owner != nil && owner.Namespace != a.ing.Namespace:
			a.tell(".hosts", ReasonConflict, "remove the host here, or there",
				"no certificate is ordered for %s: Ingress %v, which is older, has that host", host, owner.Key)
		default:
			out = append(out, host)
		}
	}
	if len(out) > maxHosts {
		a.tell(".hosts", ReasonInvalid, "divide them among several Secrets",
			"no certificate is ordered for %d hosts, it can be for %d at most", len(out), maxHosts)
		return nil
	}
	return out
}
