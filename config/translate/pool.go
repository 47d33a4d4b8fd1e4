package translate

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

// Pool translates one IPAddressPool by itself. The pool is nil if it has a
// problem. Whether it collides with others is for [Config] to say.
func Pool(o *v1beta1.IPAddressPool) (*config.Pool, []config.Problem) {
	f := faultsOf(config.KindIPAddressPool, o)
	p := &config.Pool{
		Name:          o.Name,
		Labels:        o.Labels,
		Created:       o.CreationTimestamp.UTC(),
		AutoAssign:    o.Spec.AutoAssign == nil || *o.Spec.AutoAssign,
		AvoidBuggyIPs: o.Spec.AvoidBuggyIPs,
		Allocation:    allocation(f, o.Spec.ServiceAllocation),
	}
	poolAddresses(f, p, o.Spec.Addresses)
	poolManners(f, p, &o.Spec)
	if f.any() {
		return nil, f.problems
	}
	return p, nil
}

// poolAddresses fills in the ranges and prefixes of p.
func poolAddresses(f *faults, p *config.Pool, addresses []string) {
	const format = "write a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20"
	if len(addresses) == 0 {
		f.add("spec.addresses", ReasonInvalid, format, "the pool has no addresses")
	}
	for i, s := range addresses {
		field := fmt.Sprintf("spec.addresses[%d]", i)
		r, err := parseRange(s)
		if err != nil {
			f.add(field, ReasonInvalid, format, "cannot read %q: %v", s, err)
			continue
		}
		for _, u := range unusable {
			if u.Overlaps(r) {
				f.add(field, ReasonInvalid, "leave these addresses out",
					"%s holds %s addresses (%v), which cannot be given to a Service", s, u.what, u.Range)
			}
		}
		at, clash := overlapIn(p.Ranges, r)
		if clash {
			f.add(field, ReasonOverlap, "let every address be in the pool once",
				"%s overlaps %v of the same pool", s, p.Ranges[at])
			continue
		}
		p.Ranges = slices.Insert(p.Ranges, at, r)
	}
	if f.any() {
		return
	}
	for _, r := range p.Ranges {
		p.Prefixes = append(p.Prefixes, prefixesOf(r)...)
	}
}

func allocation(f *faults, a *v1beta1.ServiceAllocation) *config.Allocation {
	if a == nil {
		return nil
	}
	const path = "spec.serviceAllocation"
	if a.Priority < 0 {
		f.add(path+".priority", ReasonInvalid, "use 1 for the pool to try first, 0 for last", "%d is negative", a.Priority)
	}
	f.twice(path+".namespaces", a.Namespaces)
	return &config.Allocation{
		Priority:           a.Priority,
		Namespaces:         slices.Clone(a.Namespaces),
		NamespaceSelectors: selectors(f, path+".namespaceSelectors", a.NamespaceSelectors),
		ServiceSelectors:   selectors(f, path+".serviceSelectors", a.ServiceSelectors),
	}
}

// taken is an address range of the cluster itself, which no pool may hold.
type taken struct {
	config.Range
	what string // such as: the address of Node n1
}

func takenRanges(nodes []*config.Node, services []netip.Prefix) []taken {
	var out []taken
	for _, n := range nodes {
		for _, a := range n.Addrs {
			out = append(out, taken{config.Range{From: a, To: a}, fmt.Sprintf("address %v of Node %s", a, n.Name)})
		}
		for _, p := range n.PodCIDRs {
			out = append(out, taken{rangeOf(p), fmt.Sprintf("Pod range %v of Node %s", p, n.Name)})
		}
	}
	for _, p := range services {
		out = append(out, taken{rangeOf(p), fmt.Sprintf("Service range %v of the cluster", p)})
	}
	return out
}

// given are the ranges of the pools accepted so far, with their owners.
type given struct {
	ranges []config.Range // sorted, disjoint
	owners []string       // of the range at the same index
}

// admit adds the ranges of p, unless some of them are taken.
func (g *given) admit(f *faults, p *config.Pool, cluster []taken) bool {
	for _, t := range cluster {
		if at, clash := overlapIn(p.Ranges, t.Range); clash {
			f.add("spec.addresses", ReasonOverlap, "leave these addresses out of the pool",
				"%v holds the %s", p.Ranges[at], t.what)
			break // one example will do: a wide pool may hold every node
		}
	}
	for _, r := range p.Ranges {
		if at, clash := overlapIn(g.ranges, r); clash {
			f.add("spec.addresses", ReasonOverlap, "change one of the two pools",
				"%v overlaps %v of IPAddressPool %s, which is older", r, g.ranges[at], g.owners[at])
		}
	}
	if f.any() {
		return false
	}
	for _, r := range p.Ranges {
		at, _ := overlapIn(g.ranges, r)
		g.ranges = slices.Insert(g.ranges, at, r)
		g.owners = slices.Insert(g.owners, at, p.Name)
	}
	return true
}
