// Package lab builds the network that tests, demo and benchmarks run in: hosts
// that are network namespaces, LANs that are bridges, real routers, and the
// faults that such things have in life.
//
// A lab lives inside a sandbox (package sandbox) and needs root. It is one
// goroutine's tool where it changes things; what it returns may be used by many.
package lab
