package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// group is a sharing key of one namespace. Keys of different namespaces are
// different: nobody can move in with another team by guessing a word.
type group struct{ namespace, key string }

func groupOf(svc *config.Service) group { return group{svc.Namespace, svc.Want.ShareKey} }

// clash says why a and b cannot have one address together, or "" if they can:
// one key, disjoint ports, and traffic for either may go to the same nodes
// (both externalTrafficPolicy Cluster, or both Local to the same pods).
func clash(a, b *config.Service) string {
	switch {
	case a.Want.ShareKey == "" || b.Want.ShareKey == "":
		return "does not share it"
	case a.Want.ShareKey != b.Want.ShareKey:
		return fmt.Sprintf("shares it under the key %q", b.Want.ShareKey)
	case a.Namespace != b.Namespace:
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

// sameShare tells whether a and b look the same to those they share with.
func sameShare(a, b *config.Service) bool {
	return a == b || a.Want.ShareKey == b.Want.ShareKey && a.Local == b.Local &&
		slices.Equal(a.Ports, b.Ports) && maps.Equal(a.Selector, b.Selector)
}

// blocker returns the eldest who keeps svc from addr, and why; nil if nobody
// does. Who only shows the address in its status stands in the way of a new
// grant, but of nothing that is kept.
func (d *draft) blocker(addr netip.Addr, svc *config.Service, keep bool) (by *Entry, how string) {
	t := d.tenants(addr)
	for at := &t; at != nil && at.first != nil; at = at.more {
		other := at.first
		if other.Service.Key == svc.Key || keep && !other.holds(addr) {
			continue
		}
		why := clash(svc, other.Service)
		if !other.holds(addr) {
			why = "has given it up, but still shows it in its status"
		}
		if why != "" && (by == nil || elder(other.Service, by.Service) < 0) {
			by, how = other, why
		}
	}
	return by, how
}

// join and part keep the list of addresses that are open to a group.
func (d *draft) join(addr netip.Addr, svc *config.Service) {
	if svc.Want.ShareKey == "" {
		return
	}
	addrs := d.shared(groupOf(svc))
	if i, ok := slices.BinarySearchFunc(addrs, addr, netip.Addr.Compare); !ok {
		d.groups[groupOf(svc)] = slices.Insert(slices.Clone(addrs), i, addr)
	}
}

func (d *draft) part(addr netip.Addr, svc *config.Service) {
	if svc.Want.ShareKey == "" {
		return
	}
	t := d.tenants(addr)
	for at := &t; at != nil && at.first != nil; at = at.more {
		if groupOf(at.first.Service) == groupOf(svc) {
			return
		}
	}
	addrs := d.shared(groupOf(svc))
	if i, ok := slices.BinarySearchFunc(addrs, addr, netip.Addr.Compare); ok {
		d.groups[groupOf(svc)] = slices.Delete(slices.Clone(addrs), i, i+1)
	}
}

func (d *draft) shared(g group) []netip.Addr {
	if addrs, ok := d.groups[g]; ok {
		return addrs
	}
	addrs, _ := d.next.groups.Get(g)
	return addrs
}
