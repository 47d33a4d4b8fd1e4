package controller

import (
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ipam"
)

// reviewIngresses gives every Ingress the addresses of our ingress Service.
func (r *reign) reviewIngresses(full bool, now time.Time) {
	if r.opts.IngressService == (config.Key{}) {
		return
	}
	addrs := ingressAddrs(r.snap, r.ledger, r.opts.IngressService)
	keys := r.snap.Changed.Ingresses
	if full || !slices.Equal(addrs, r.ingress) {
		r.ingress, keys = addrs, nil
		for key := range r.snap.Ingresses.All() {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		ref := config.Ref{Kind: config.KindIngress, Key: key}
		ing, ok := r.snap.Ingresses.Get(key)
		switch {
		case !ok:
			r.out.forget(ref)
		case slices.Equal(ing.Status, addrs):
			r.out.settled(ref)
		default:
			r.out.put(&write{ref: ref, basis: ing, ingress: ing, addrs: addrs}, now)
		}
	}
}

// ingressAddrs are the addresses that our ingress Service has: given by us, or
// by whoever else serves it.
func ingressAddrs(snap *config.Snapshot, l ipam.Ledger, key config.Key) []netip.Addr {
	svc, ok := snap.Services.Get(key)
	if !ok {
		return nil
	}
	if e := l.Entry(key); e != nil && len(e.Held) > 0 {
		return e.Addrs()
	}
	return svc.Addrs
}

// reviewConfig asks for the statuses of our configuration objects and forgets
// those that are gone. It tells whether a reservation that could not be read is
// no more: one of ours may take its name.
func (r *reign) reviewConfig(now time.Time) (mended bool) {
	use := r.ledger.Use()
	r.metrics.pools(use)
	all := verdicts(r.snap, use, r.opts.Namespace)
	for ref := range r.configs {
		if _, ok := all[ref]; !ok {
			r.out.forget(ref)
			delete(r.configs, ref)
			r.metrics.forgetPool(ref)
			mended = mended || ref.Kind == config.KindIPReservation
		}
	}
	for ref, status := range all {
		r.configs[ref] = true
		r.out.put(&write{ref: ref, pool: status}, now)
	}
	return mended
}
