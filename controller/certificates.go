package controller

import (
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// certRecheck is how often certificates are looked at without a change in the
// cluster, for they expire without one.
const certRecheck = 10 * time.Minute

// reviewCertificates finds what is wrong inside the Secrets that Ingresses name:
// pairs that do not fit, certificates for other hosts, or expired ones. The
// ingress processes serve the default certificate instead, and find the same. It
// returns the Ingresses of which something else is to be said than before.
func (r *reign) reviewCertificates(full bool, now time.Time) (rejudged []config.Key) {
	if !full && len(r.snap.Changed.Ingresses) == 0 && now.Sub(r.looked) < certRecheck {
		return nil
	}
	r.looked = now
	before := r.pairs
	r.certs, r.pairs = cert.Build(cert.Input{
		Ingresses: route.OldestFirst(r.snap.Ingresses), Secrets: r.snap.Certificates, Previous: r.certs, Now: now,
	})
	said := map[config.Problem]bool{}
	for _, p := range before {
		said[p] = true
	}
	for _, p := range r.pairs {
		if said[p] {
			delete(said, p)
		} else {
			rejudged = append(rejudged, p.Object.Key)
		}
	}
	for p := range said {
		rejudged = append(rejudged, p.Object.Key)
	}
	return rejudged
}

// certsDue is when they are to be looked at again; far away if there are none.
func (r *reign) certsDue(now time.Time) time.Duration {
	if r.certs.Len() == 0 && len(r.pairs) == 0 {
		return idleForever
	}
	return max(certRecheck-now.Sub(r.looked), 0)
}
