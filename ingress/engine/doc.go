// Package engine is a reverse proxy for HTTP/1.1 and HTTP/2, with TLS and without,
// that drives the machines of package ingress/http, in one of two ways.
//
// By goroutines: one for each client's connection, with HTTP/2 one for each of its
// streams, and another while a request's body is on its way that did not come with
// its head, so that a backend may answer before it has read everything. A request is
// an exchange between a requester and an answerer.
//
// By event loops, one for each processor, what is for endpoints of HTTP/1.1 without
// TLS: a request is a passage between a caller, which is a downstream or a branch of
// its trunk, and an upstream of one worker, whose goroutine alone touches them. The
// rest is served by goroutines; where that shows only in what a client sends, one of
// them gets its stream, or over HTTP/1.1 its connection.
//
// What a request depends on, a [Config], is one immutable value behind one
// pointer. [Engine.Apply] swaps it; requests under way keep what they began with,
// and connections outlive it. An endpoint, with its connections and counters, lives
// as long as any Config names it.
package engine
