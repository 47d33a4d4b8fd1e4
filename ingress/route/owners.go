package route

import (
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// Owners say which namespaces may use which hosts, for clusters whose users do
// not trust each other. A nil *Owners lets everybody use every host.
type Owners struct {
	// Granted lists namespaces by host: of "shop.test" that host, of
	// "*.shop.test" all below it however deep, unless a longer entry fits, of
	// "*" rules without a host. Hosts that no entry fits are free.
	Granted map[string][]string
	// Oldest gives a host that is not granted to the namespace of the oldest
	// Ingress that names it, as long as that one does.
	Oldest bool
}

// allow tells whether Ingresses of a namespace may have rules for a host. naming
// are the Ingresses that name it, oldest first.
func (o *Owners) allow(host, namespace string, naming []*config.Ingress) bool {
	if o == nil {
		return true
	}
	if granted, ok := o.granted(host); ok {
		return slices.Contains(granted, namespace)
	}
	claimant := o.claimant(host, naming)
	return claimant == "" || claimant == namespace
}

// granted are the namespaces that a host is granted to; ok is false if nothing
// is said of it.
func (o *Owners) granted(host string) (namespaces []string, ok bool) {
	if host == "" {
		namespaces, ok = o.Granted["*"]
		return namespaces, ok
	}
	if namespaces, ok = o.Granted[host]; ok {
		return namespaces, true
	}
	for rest := strings.TrimPrefix(host, "*."); ; {
		_, below, found := strings.Cut(rest, ".")
		if !found {
			return nil, false
		}
		if namespaces, ok = o.Granted["*."+below]; ok {
			return namespaces, true
		}
		rest = below
	}
}

// claimant is the namespace that owns a host because its Ingress is the oldest
// that names it; "" if hosts are not owned that way.
func (o *Owners) claimant(host string, naming []*config.Ingress) string {
	if o == nil || !o.Oldest || len(naming) == 0 {
		return ""
	}
	if _, granted := o.granted(host); granted {
		return ""
	}
	return naming[0].Namespace
}

// of lists who owns a host, for a person.
func (o *Owners) of(host string, naming []*config.Ingress) string {
	if granted, ok := o.granted(host); ok {
		return strings.Join(granted, ", ")
	}
	return o.claimant(host, naming)
}
