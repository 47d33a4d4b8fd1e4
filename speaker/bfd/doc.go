// Package bfd finds out within a fraction of a second that a router is gone:
// Bidirectional Forwarding Detection (RFC 5880) over one hop (RFC 5881) and
// several (RFC 5883), IPv4 and IPv6, in asynchronous mode.
//
// [Engine.Apply] says which sessions there should be; [Engine.Run] owns the
// sockets; what becomes of the sessions leaves as an [Update] through
// [Engine.Updates]. The rules are in the pure packages packet and session.
//
// A [Server] lets another process use the engine by a [Client], so that sessions
// outlive it.
//
// One thread serves all sessions: it waits in the kernel for packets and for
// the next moment at which something is due, does together what came together,
// and never writes a log or takes a lock that another thread may hold for long.
// Its neighbours take a late packet for a dead node.
package bfd
