// Package layer2 answers ARP and Neighbor Discovery for the addresses that
// this node owns on its LANs, and tells neighbours when it takes one over. It
// is the door to mdlayher/arp, ndp, ethernet and packet.
//
// [Responder.Apply] takes decisions; [Responder.Run] owns every socket and
// goroutine. Two things reach the packet path without waiting for Run: the
// set of claims, one atomic pointer, so that an address lost is silent at
// once; and the heartbeat, so that a process that was frozen and thawed never
// answers for what it lost meanwhile.
//
// Others who have an address of ours are noticed, too: before it is taken, by
// asking ([Responder.Ask]), and after, by listening. [Responder.Findings] are
// for the caller to judge; what was claimed is defended once.
//
// Packets are received and sent on packet sockets: neither an IPv4 address on
// the interface nor a global IPv6 one is needed, and unicast neighbour probes
// (RFC 4861, 7.3) are seen, which no ICMPv6 socket delivers for an address
// that the kernel does not own. ICMPv6 sockets only hold the memberships of
// solicited-node groups, for switches that snoop MLD.
package layer2
