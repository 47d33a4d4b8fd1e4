// Package engine is a reverse proxy for HTTP/1.1 that drives the machines of
// package ingress/http, in one of two ways.
//
// By goroutines: one for each client's connection, and a second one while a
// request's body is on its way that did not come with its head, so that a backend
// may answer before it has read everything. A request is an exchange between a conn
// and a backend.
//
// By event loops, one for each processor: a request is a passage between a downstream
// and an upstream of one worker, whose goroutine alone touches them. What may block is
// handed over to goroutines.
//
// What a request depends on, a [Config], is one immutable value behind one
// pointer. [Engine.Apply] swaps it; requests under way keep what they began with,
// and connections outlive it. An endpoint, with its idle connections and
// counters, lives as long as any Config names it.
package engine
