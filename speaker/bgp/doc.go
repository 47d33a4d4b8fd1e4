// Package bgp is the door to GoBGP: it holds this node's BGP sessions and
// offers routes on them, and nothing else of the program knows the library.
//
// A [Speaker] is told what should be ([Speaker.Apply]) and makes it so by
// difference: sessions are opened and closed, routes are edited in a RIB, and
// no configuration is ever reloaded. Each session is one goroutine that owns
// one GoBGP server of its own, with its own AS number, router id and
// graceful-restart state; what happens to one peer cannot touch another.
//
// The order that makes a restart invisible to routers (RFC 4724) is kept here:
// every route is in the RIB before the peer is configured, and each connection
// is opened as that of a restarting speaker. Therefore Apply the complete
// routes the first time, not an empty list that is filled later.
//
// There are two ways out. [Speaker.Stop] leaves: it makes the routes the last
// choice for a while, withdraws them, says why, and closes; routers drop the
// routes then. [Speaker.Abandon] (which is also
// what a cancelled Run and a killed process amount to) closes the TCP
// connections without a NOTIFICATION, so that routers with graceful restart
// keep the routes until this node is back.
//
// Received routes never come into a RIB: an import policy accepts local routes
// only. Where toReceive asks for them they are told of ([SessionState]), for
// others to use.
//
// Between a router and GoBGP stands a gate of ours (gate.go): it has the connection,
// and GoBGP sees of the router only what it can bear.
package bgp
