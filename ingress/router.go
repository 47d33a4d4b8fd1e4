package ingress

import (
	"github.com/steelyard-lb/steelyard/ingress/cert"
	"github.com/steelyard-lb/steelyard/ingress/engine"
	"github.com/steelyard-lb/steelyard/ingress/http"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// router is a routing table, and before it proofs for certificate authorities, as our
// engine asks it.
type router struct {
	table  *route.Table
	proofs *cert.Challenges
}

// proofType is that of RFC 8555 section 8.3.
const proofType = "application/octet-stream"

// Route implements [engine.Router]. The path is in the engine's normal form, which
// keeps some escapes; the table's has them decoded. What the table refuses, no rule
// serves.
func (r router) Route(method, host, path string) (to engine.Decision, ok bool) {
	clean, err := route.CleanPath(path)
	if err != nil {
		return to, false
	}
	if proof, ok := r.proofs.Answer(method, host, clean); ok {
		to.Answer = &http.Answer{Status: 200, Type: proofType, Body: proof}
		return to, true
	}
	host = route.CleanHost(host)
	found, ok := r.table.Match(host, clean)
	if !ok {
		return to, false
	}
	to.Pool, to.Rule = found.Group, found.Name
	if found.Policy != nil {
		to.Policy, to.Certified, to.Decoded = found.Policy, r.table.Certified(host), clean
	}
	if c := found.Canary; c != nil {
		to.Canary, to.CanaryPool = c.Policy, c.Group
	}
	return to, true
}

// notSetUp is what clients are told of a fault. Names inside the cluster are for
// the Ingress's events.
const notSetUp = "the backend of this route is not set up; its Ingress says why"

// configOf is a table with certificates, and proofs for their authorities, for our
// engine: a pool for each group.
func configOf(table *route.Table, certs *cert.Store, proofs *cert.Challenges) engine.Config {
	groups := table.Groups()
	cfg := engine.Config{Router: router{table, proofs}, Pools: make([]engine.Pool, len(groups)), TLS: engine.TLS{Certificates: certs, Challenges: proofs}}
	for i, g := range groups {
		cfg.Pools[i].Name, cfg.Pools[i].Endpoints = g.Service.String()+":"+g.Port, g.Endpoints
		if g.Sticky {
			cfg.Pools[i].Secret = "steelyard affinity " + g.UID
		}
		cfg.Pools[i].Protocol, cfg.Pools[i].TLS = spoken(g.Protocol)
		if g.Fault != "" {
			cfg.Pools[i].Fault = notSetUp
		}
	}
	return cfg
}
