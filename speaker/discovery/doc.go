// Package discovery finds the router at the other end of a link, and lets it
// find this node, without an address having been agreed on: by Router
// Advertisements (RFC 4861) in both directions. That is what BGP sessions by
// interface ("unnumbered") begin with.
//
// The advertisements of this node have a Router Lifetime of 0: nobody takes it
// for a default router (RFC 4861, 4.2). The router is whoever advertises itself
// on the link, whatever its own lifetime says, and is no speaker of another node.
//
// What is known and due on a link is a value without a clock ([watch]); a port
// is the socket that acts on it.
package discovery
