// Package peering measures BGP and BFD without Kubernetes, beside FRR and BIRD
// as Debian packages them: on a LAN of namespaces stand a router, a node that
// has our programs, and its twin that does the same work with FRR or BIRD.
//
// "steelyard bfd" is the BFD of a node. Its BGP is the test program of the
// product's package speaker/bgp in the part of a speaker: it takes sessions and
// routes on its standard input and hands them to the package.
package peering
