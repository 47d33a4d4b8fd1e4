package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// ExternalIPs are the ranges inside which addresses of spec.externalIPs are
// forwarded; none means that they are left alone. Whoever may create a Service
// may name any address there and so draw its traffic to himself
// (CVE-2020-8554): only the one who runs the cluster says which are for that.
type ExternalIPs []netip.Prefix

// FieldExternalIPs is the field that Problems of external IPs are about.
const FieldExternalIPs = "spec.externalIPs"

// allow tells whether addr lies in one of the ranges.
func (e ExternalIPs) allow(addr netip.Addr) bool {
	return slices.ContainsFunc(e, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Of are the external IPs of svc that are to be forwarded, and what is to be
// said of the others: those outside of the ranges, of another family than the
// Service, or in a pool, whose addresses only the allocator gives. Nothing is
// said while there are no ranges.
func (e ExternalIPs) Of(snap *Snapshot, svc *Service) (served []netip.Addr, refused []Problem) {
	if len(e) == 0 || svc.Type == ExternalName || svc.OtherProxy {
		return nil, nil
	}
	for i, addr := range svc.ExternalIPs {
		if slices.Contains(served, addr) {
			continue
		}
		no := Problem{Object: Ref{Kind: KindService, Key: svc.Key}, Field: fmt.Sprintf("%s[%d]", FieldExternalIPs, i), Reason: "NotAllowed"}
		pool := PoolOf(snap.Pools, addr)
		switch {
		case !e.allow(addr):
			no.Message = fmt.Sprintf("%v is not forwarded: it is in none of the ranges allowed for external IPs", addr)
			no.Remedy = "use an address inside them, or have whoever runs Steelyard allow it (externalIPs.allowed)"
		case pool != nil && slices.Contains(svc.Addrs, addr):
			continue // its own, by the status
		case pool != nil:
			no.Message = fmt.Sprintf("%v is not forwarded as an external IP: it belongs to pool %s", addr, pool.Name)
			no.Remedy = "make the Service of type LoadBalancer and ask for it by annotation steelyard.io/load-balancer-ips"
		case len(svc.Families) > 0 && !slices.Contains(svc.Families, FamilyOf(addr)):
			no.Reason = "NoEffect"
			no.Message = fmt.Sprintf("%v is not forwarded: the Service has no family %v", addr, FamilyOf(addr))
			no.Remedy = "remove it, or add the family to spec.ipFamilies"
		default:
			served = append(served, addr)
			continue
		}
		refused = append(refused, no)
	}
	return served, refused
}
