package controller

import (
	"time"

	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// certRecheck is how often certificates are looked at without a change in the
// cluster, for they expire without one.
const certRecheck = 10 * time.Minute

// reviewCertificates finds what is wrong inside the Secrets that Ingresses name:
// pairs that do not fit, certificates for other hosts, or expired ones. The
// ingress processes serve the default certificate instead, and find the same.
func (r *reign) reviewCertificates(full bool, now time.Time) {
	if !full && len(r.snap.Changed.Ingresses) == 0 && now.Sub(r.looked) < certRecheck {
		return
	}
	r.looked = now
	r.certs, r.pairs = cert.Build(cert.Input{
		Ingresses: route.OldestFirst(r.snap.Ingresses), Secrets: r.snap.Certificates, Previous: r.certs, Now: now,
	})
}

// certsDue is when they are to be looked at again; far away if there are none.
func (r *reign) certsDue(now time.Time) time.Duration {
	if r.certs.Len() == 0 && len(r.pairs) == 0 {
		return idleForever
	}
	return max(certRecheck-now.Sub(r.looked), 0)
}
