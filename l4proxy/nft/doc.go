// Package nft is the kernel data plane: it makes two nftables tables, "ip
// steelyard" and "ip6 steelyard", equal to an [l4proxy.Table]. It is the door
// to nftables and conntrack over netlink; it never runs the nft command.
//
// The rules are fixed; Services are elements of maps and sets:
//
//	frontends  address . protocol . port → group ID, or "reject", or "drop"
//	inside     the same for clients inside the cluster, with policy Local
//	backends   group ID . slot           → address . port; groups with more slots
//	           than the fewest have backends-256, backends-1024 and so on
//	addrs      external addresses, whose other ports are refused
//	pods       intervals: addresses of pods on this node
//	locals     address . address of backends on this node
//	sources    group ID . client address, intervals: loadBalancerSourceRanges
//	chances    external address → address . link of the node that had it before
//	nodes      hardware addresses of the other nodes
//	tried      client . backend . sequence number: SYNs that the backend refused
//	again      client . frontend → address . port: where the next of such a SYN leads
//	taken, foreign, refused, dropped
//	           address . protocol . port: counts that rules keep, see tallies
//
// A new connection is translated in the nat hooks of prerouting and output at
// priority -110, just before kube-proxy and everything else at -100; the
// first translation wins, the others are not asked. The map inside comes before
// frontends for packets of the node's pods and, in output, of the node itself.
// Unserved ports are refused in filter chains at -50, when served packets
// already carry the backend's address. Postrouting (nat, 90) masquerades
// connections of ours whose backend is on another node, and hairpins.
//
// Before all that a TCP packet that is no SYN and belongs to no known connection
// is handed to the node that had its address before (dup, for which a kernel
// module is needed that may be missing), and forgotten here.
//
// The reset with which a backend refuses a connection is kept from the client, once,
// and handed to [Forwarder.Run] over nfnetlink_log, which chooses another for the SYN
// that the client sends again. Unless that runs, the client has to ask twice.
//
// Packet marks are neither read nor written. One bit of the connection mark,
// inside a configurable mask, is set on connections that we translated, and on
// no others, and tells postrouting which ones are ours; what else has to be
// remembered of a connection is its address translation, which conntrack keeps.
// The default mask, [DefaultMarkMask], is clear of the known users of marks, so
// that a CONNMARK --restore-mark of anybody's puts nothing into a packet mark
// that somebody else reads. (Only a --save-mark without a mask, in the mangle
// table of POSTROUTING, would make us miss a masquerade.)
//
// Packets of established connections meet one hook and comparisons of their flags
// and their state, and no look-up at all. The connections survive a restart of the
// process, which finds its tables in the kernel and writes the difference.
package nft
