// Package policy is what the annotations of an Ingress make of requests for its
// paths: which are answered in place of the backend, what the backend is asked for,
// and what its answers have besides.
//
// The package is pure: no I/O, clock, log or goroutine.
package policy
