package controller

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// reviewExternalIPs finds what is to be said of spec.externalIPs. It looks only
// when a Service that has some, or the pools, have changed since old.
func (r *reign) reviewExternalIPs(old *config.Snapshot, full bool) {
	concerned := func(snap *config.Snapshot, key config.Key) bool {
		svc, ok := snap.Services.Get(key)
		return ok && len(svc.ExternalIPs) > 0
	}
	if full || slices.ContainsFunc(r.snap.Changed.Services, func(key config.Key) bool {
		return concerned(old, key) || concerned(r.snap, key)
	}) {
		r.externals = externalIPProblems(r.snap, r.opts.ExternalIPs)
	}
}

// externalIPProblems are the addresses of spec.externalIPs that are not
// forwarded: refused ones, and those of which an older Service has the port.
func externalIPProblems(snap *config.Snapshot, allowed config.ExternalIPs) (out []config.Problem) {
	if len(allowed) == 0 {
		return nil
	}
	type frontend struct {
		addr  netip.Addr
		port  uint16
		proto config.Proto
	}
	var services []*config.Service
	for _, svc := range snap.Services.All() {
		if len(svc.ExternalIPs) > 0 {
			services = append(services, svc)
		}
	}
	slices.SortFunc(services, func(a, b *config.Service) int { // as the forwarding table has it
		return cmp.Or(a.Created.Compare(b.Created), a.Key.Compare(b.Key))
	})
	holders := map[frontend]config.Key{}
	for _, svc := range services {
		served, refused := allowed.Of(snap, svc)
		out = append(out, refused...)
		for _, addr := range served {
			for _, p := range svc.Ports {
				f := frontend{addr, p.Port, p.Proto}
				if holder, taken := holders[f]; taken && holder != svc.Key {
					out = append(out, config.Problem{
						Object: config.Ref{Kind: config.KindService, Key: svc.Key}, Field: config.FieldExternalIPs, Reason: "Conflict",
						Message: fmt.Sprintf("port %d/%s of %v is not forwarded here: Service %v, which is older, has it", p.Port, p.Proto, addr, holder),
						Remedy:  "use another address or port",
					})
				} else {
					holders[f] = svc.Key
				}
			}
		}
	}
	return out
}
