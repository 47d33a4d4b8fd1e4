// Package session is the state machine of one BFD session (RFC 5880, 6), in
// asynchronous mode. It is pure: packets, the time and random numbers are
// arguments, and what is to be sent is a result.
//
// The owner calls [Session.Receive] for each packet of the peer and
// [Session.Step] when [Session.Due] comes, and does what the [Output] says
// before the next call. Same calls, same results.
//
// Echo is never offered, and demand mode never asked for; a peer that asks for
// it gets it.
package session
