// Package relay forwards TCP connections in user space, for what the kernel cannot
// do: backends that are to be told the client's address by the PROXY protocol. The
// kernel's forwarding table leads connections of such frontends to this node's
// relay (see [l4proxy.Relay]), which reads where they were going to from conntrack,
// and connects to the backend that the kernel would have chosen.
//
// [Engine.Apply] says what is relayed, [Engine.Run] owns the event loops, one for
// each processor, each with a listening socket of its own and the connections that
// the kernel gave to that. Nothing is shared between loops but the table, which is
// replaced as a whole. Bytes go through one buffer of the loop while messages are
// small, and through pipes without entering user space when they are not.
//
// The relay is a process beside the speaker: its load does not delay announcing,
// and the end of one does not end the other. A [Server] tells the engine what the
// speaker says, who has a [Client].
package relay
