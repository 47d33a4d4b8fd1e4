// Package probe asks what a client asks: HTTP, TCP and UDP requests made from a
// host of the lab, and loops of requests that tell how many failed and for how
// long nobody was answered.
package probe
