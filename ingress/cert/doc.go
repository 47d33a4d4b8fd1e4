// Package cert serves TLS certificates by server name (RFC 6066 section 3)
// from an immutable [Store]: the exact name, else a wildcard for one label,
// else the default certificate.
//
// [Build] makes a Store from Ingresses and Secrets. A pair is parsed once and
// kept for as long as its Secret does not change. A Secret that is broken or
// expired becomes a Problem, and the default certificate is served meanwhile.
package cert
