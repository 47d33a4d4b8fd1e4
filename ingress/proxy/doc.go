// Package proxy answers HTTP and HTTPS by a routing table: it matches each
// request, picks a ready endpoint and passes request and answer through.
//
// Everything that a request depends on, the table, the certificates and the
// endpoints, hangs on one atomic pointer. [Proxy.Apply] swaps it; requests
// under way keep what they began with, so that nothing is ever dropped by a
// change. Counters of an endpoint live as long as the endpoint and not as
// long as a table.
//
// What a client sees when no backend answers: 400 for a path that could be
// read in two ways, 404 if no rule matches, 503 if the Service is missing or
// has no ready endpoint, 502 if the endpoint fails, 504 if it does not answer
// in time.
package proxy
