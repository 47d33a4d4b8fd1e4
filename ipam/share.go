package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// group is a sharing key of one namespace. Keys of different namespaces are
// different: nobody can move in with another team by guessing a word, unless
// the pool says that the two share.
type group struct{ namespace, key string }

func groupOf(svc *config.Service) group { return group{svc.Namespace, svc.Want.ShareKey} }

// clash says why a and b cannot have one address together, or "" if they can:
// one key, one namespace or two that may share, disjoint ports, and traffic for
// either may go to the same nodes (both externalTrafficPolicy Cluster, or both
// Local to the same pods).
func clash(a, b *config.Service, across bool) string {
	switch {
	case a.Want.ShareKey == "" || b.Want.ShareKey == "":
		return "does not share it"
	case a.Want.ShareKey != b.Want.ShareKey:
		return fmt.Sprintf("shares it under the key %q", b.Want.ShareKey)
	case a.Namespace != b.Namespace && !across:
		return "shares it in another namespace"
	case a.Local != b.Local:
		return "has another externalTrafficPolicy"
	case a.Local && !maps.Equal(a.Selector, b.Selector):
		return "has externalTrafficPolicy Local and another selector"
	}
	for _, p := range a.Ports {
		for _, q := range b.Ports {
			if p.Proto == q.Proto && p.Port == q.Port {
				return fmt.Sprintf("uses port %s %d as well", p.Proto, p.Port)
			}
		}
	}
	return ""
}

// across tells whether pool p lets Services of both namespaces share.
func across(p *config.Pool, a, b string) bool {
	return p != nil && slices.Contains(p.SharedBy, a) && slices.Contains(p.SharedBy, b)
}

// sameShare tells whether a and b look the same to those they share with.
func sameShare(a, b *config.Service) bool {
	return a == b || a.Want.ShareKey == b.Want.ShareKey && a.Local == b.Local &&
		slices.Equal(a.Ports, b.Ports) && maps.Equal(a.Selector, b.Selector)
}

// purpose is why somebody wants an address.
type purpose int

const (
	toGrant purpose = iota // it is new to the Service
	toShow                 // the Service's status shows it
	toHold                 // the Service held it before
)

// obstacle is what keeps a Service from an address.
type obstacle struct {
	by   *Entry // the eldest Service in the way; nil: it is kept for somebody
	text string // "belongs to …", to go on after the address
}

// obstacle returns what keeps svc from addr; nil if nothing does. Who only
// shows the address in its status stands in the way of a new grant, but of
// nothing that is kept. What rests or is reserved is nobody's to take, but for
// a new leader statuses count more.
func (d *draft) obstacle(addr netip.Addr, svc *config.Service, why purpose) *obstacle {
	t := d.tenants(addr)
	if t.first == nil {
		return nil
	}
	var out obstacle
	for other := range t.all() {
		if other.Service.Key == svc.Key || why != toGrant && !other.holds(addr) {
			continue
		}
		text := "has given it up, but still shows it in its status"
		if other.holds(addr) {
			text = clash(svc, other.Service, d.mayCross(addr, svc, other, why))
		}
		if text != "" && (out.by == nil || elder(other.Service, out.by.Service) < 0) {
			out = obstacle{other, fmt.Sprintf("belongs to %v, which %s", other.Service.Key, text)}
		}
	}
	switch {
	case out.by != nil:
		return &out
	case why == toHold || why == toShow && d.fresh:
		return nil
	}
	return d.keptFrom(addr, svc.Key)
}

// mayCross tells whether svc and other may share addr though their namespaces
// differ: the pool says so, or said so when both got it.
func (d *draft) mayCross(addr netip.Addr, svc *config.Service, other *Entry, why purpose) bool {
	if svc.Namespace == other.Service.Namespace {
		return true
	}
	if why == toHold && d.prev.Entry(svc.Key).has(addr) && d.prev.Entry(other.Service.Key).has(addr) {
		return true
	}
	return across(d.next.layout.poolOf(addr), svc.Namespace, other.Service.Namespace)
}

// keptFrom returns the rest or reservation that keeps the Service from addr.
func (d *draft) keptFrom(addr netip.Addr, svc config.Key) *obstacle {
	if m := d.resting(addr); m != nil && m.For != svc {
		return &obstacle{text: fmt.Sprintf("rests until %s: %v gave it up at %s",
			clock(m.FreeAt), m.For, clock(m.Released))}
	}
	r := d.next.claims.owner[addr]
	if r == nil || r.For() == svc {
		return nil
	}
	if e := d.holder(addr, r.For()); e != nil && e.Service.Key == r.For() {
		return nil // its Service has it, and shares it
	}
	return &obstacle{text: fmt.Sprintf("is reserved for %v by the IPReservation %v", r.For(), r.Key)}
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// join and part keep the list of addresses that are open to a group.
func (d *draft) join(addr netip.Addr, svc *config.Service) {
	if svc.Want.ShareKey == "" {
		return
	}
	g := groupOf(svc)
	addrs := d.sharedCopy(g)
	if i, ok := slices.BinarySearchFunc(addrs, addr, netip.Addr.Compare); !ok {
		d.groups[g] = slices.Insert(addrs, i, addr)
	}
}

func (d *draft) part(addr netip.Addr, svc *config.Service) {
	if svc.Want.ShareKey == "" {
		return
	}
	for other := range d.tenants(addr).all() {
		if groupOf(other.Service) == groupOf(svc) {
			return
		}
	}
	g := groupOf(svc)
	addrs := d.sharedCopy(g)
	if i, ok := slices.BinarySearchFunc(addrs, addr, netip.Addr.Compare); ok {
		d.groups[g] = slices.Delete(addrs, i, i+1)
	}
}

// shared lists the addresses that are open to a group, sorted.
func (d *draft) shared(g group) []netip.Addr {
	if addrs, ok := d.groups[g]; ok {
		return addrs
	}
	addrs, _ := d.next.groups.Get(g)
	return addrs
}

// sharedCopy is shared, in a list that may be changed.
func (d *draft) sharedCopy(g group) []netip.Addr {
	if addrs, ok := d.groups[g]; ok {
		return addrs
	}
	addrs, _ := d.next.groups.Get(g)
	return slices.Clone(addrs)
}
