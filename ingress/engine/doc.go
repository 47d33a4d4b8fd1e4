// Package engine is a reverse proxy for HTTP/1.1 and HTTP/2, with TLS and without,
// that drives the machines of package ingress/http by goroutines: one for each
// client's connection, with HTTP/2 one for each of its streams, and another while a
// request's body is on its way that did not come with its head, so that a backend
// may answer before it has read everything.
//
// What a request depends on, a [Config], is one immutable value behind one
// pointer. [Engine.Apply] swaps it; requests under way keep what they began with,
// and connections outlive it. An endpoint, with its connections and counters, lives
// as long as any Config names it.
package engine
