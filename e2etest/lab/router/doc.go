// Package router runs BGP routers for the lab: FRR (zebra, bgpd, bfdd) and BIRD 2,
// as Debian packages them, and one made with GoBGP (package gobgp). All accept
// sessions from every node, over IPv4 and IPv6, take both families' routes on
// either, and spread over equal paths. They never start a session: the nodes do.
package router
