// Package pulse sees the death of a node within 150 ms: heartbeats between
// speakers over UDP in the manner of BFD (RFC 5880), 50 ms × 3, authenticated
// by keys made from the gossip's.
//
// [Pulse.Apply] says who the others are; [Pulse.Run] owns the socket; what is
// known leaves as a [View] through [Pulse.Views]. A [Client] is used in the same
// way and has another process do it, behind [Serve]. The rules are a pure core (mesh,
// session, packet) that is given the time: who exchanges beats with whom, when
// a silence is a death, how many must have seen it, and what a packet must
// carry to be neither forged nor played back. docs/decisions/0007 has the
// reasons and the sums.
package pulse
