// Package forwarding measures what it costs that a router translates addresses:
// without Kubernetes, on cables without a switch in between.
//
//	asker ─┬─ plain ──────┬─ answerer
//	       ├─ ours ───────┤
//	       └─ kube-proxy ─┘
//
// Each way leads over a router of its own, since every table in a namespace sees
// every packet there. One program answers behind all of them, at ten thousand
// addresses that are on no link. Over the plain router, which tracks connections
// and does nothing else, the asker goes to these addresses; over the others to
// addresses of Services, each of which has one of them as its endpoint.
//
// The table of ours is written by the test program of the product's package
// l4proxy/nft, which hands it to the package as a speaker does and ends. The
// rules of kube-proxy are made by kube-proxy itself, which reads its Services
// from an API server that knows nothing else.
package forwarding
