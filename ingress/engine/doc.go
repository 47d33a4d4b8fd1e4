// Package engine is a reverse proxy for HTTP/1.1 that drives the machines of
// package ingress/http by goroutines: one for each client's connection, and a
// second one while a request's body is on its way that did not come with its
// head, so that a backend may answer before it has read everything.
//
// What a request depends on, a [Config], is one immutable value behind one
// pointer. [Engine.Apply] swaps it; requests under way keep what they began with,
// and connections outlive it. An endpoint, with its idle connections and
// counters, lives as long as any Config names it.
package engine
