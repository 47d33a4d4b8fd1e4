// Package l4proxy decides what the node's forwarder does with a packet: it
// turns a snapshot of the cluster into a forwarding [Table].
//
// A table has two steps. A [Frontend] (address, port, protocol) leads to a
// [Group]; a slot of the group, chosen by a hash of the client, leads to a
// backend. A group is shared by all frontends with the same Service port,
// policy and family. Slots are filled with Maglev and hashed with a fixed
// seed, so that every node sends one flow to one and the same backend, as far
// as hints in EndpointSlices and policy Local do not tell nodes apart.
//
// The package is pure: it does no I/O and reads no clock. [Build] is the
// definition, [Update] gives the same table at the cost of what changed, and
// [Diff] says what a data plane has to write.
package l4proxy
