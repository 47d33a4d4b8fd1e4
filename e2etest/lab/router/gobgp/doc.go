// Package gobgp is a small BGP router made with GoBGP. It takes routes of both
// families from its peers, spreads over equal paths, and writes them to the
// kernel of the network namespace it runs in. It knows no graceful restart: a peer
// that is gone is gone. The lab uses it beside FRR and
// BIRD, and the demo where FRR is not installed.
package gobgp
