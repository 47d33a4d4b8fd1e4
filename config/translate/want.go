package translate

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
)

// AnnotationAllocatedFrom names the pool that a Service's addresses are from.
// The controller writes it.
const AnnotationAllocatedFrom = "steelyard.io/ip-allocated-from-pool"

// An annotation of ours comes first, then its aliases.
var (
	annotationPool  = []string{"steelyard.io/address-pool", "metallb.io/address-pool", "metallb.universe.tf/address-pool"}
	annotationIPs   = []string{"steelyard.io/load-balancer-ips", "steelyard.io/loadBalancerIPs", "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"}
	annotationShare = []string{"steelyard.io/allow-shared-ip", "metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip"}
)

// annotation is the value of the first of names that o has, and that name.
func annotation(o *corev1.Service, names []string) (name, value string) {
	for _, n := range names {
		if v, ok := o.Annotations[n]; ok {
			return n, strings.TrimSpace(v)
		}
	}
	return "", ""
}

// want reads what a Service asks of the allocator.
func want(o *corev1.Service) config.Want {
	f := faultsOf(config.KindService, o)
	var w config.Want
	_, w.Pool = annotation(o, annotationPool)
	_, w.ShareKey = annotation(o, annotationShare)
	name, list := annotation(o, annotationIPs)
	field := fmt.Sprintf("metadata.annotations[%s]", name)
	switch {
	case o.Spec.LoadBalancerIP != "" && list != "":
		f.add(field, ReasonInvalid, "use one of them", "spec.loadBalancerIP is set too")
	case o.Spec.LoadBalancerIP != "":
		w.Addrs = wantAddrs(f, "spec.loadBalancerIP", o.Spec.LoadBalancerIP)
	case list != "":
		w.Addrs = wantAddrs(f, field, list)
	}
	if f.any() {
		w.Addrs, w.Problem = nil, &f.problems[0]
	}
	return w
}

// wantAddrs reads a list of addresses, at most one of each family.
func wantAddrs(f *faults, field, list string) []netip.Addr {
	var out []netip.Addr
	for s := range strings.SplitSeq(list, ",") {
		addr, err := parseAddr(s)
		if err != nil {
			f.add(field, ReasonInvalid, "write an IP address, or one of each family with a comma between them",
				"cannot read %q: %v", strings.TrimSpace(s), err)
			continue
		}
		for _, other := range out {
			if other.BitLen() == addr.BitLen() {
				f.add(field, ReasonInvalid, "ask for at most one address of each family",
					"%v and %v are both %v", other, addr, config.FamilyOf(addr))
			}
		}
		out = append(out, addr)
	}
	return out
}
