// Package dns is the lab's small name server: A and AAAA over UDP and TCP, from
// a table of names (the outside world) or from the Services of the cluster
// (cluster.local). What it does not know does not exist.
package dns
