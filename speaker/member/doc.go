// Package member knows which nodes' speakers are alive. It is the door to
// hashicorp/memberlist (SWIM with Lifeguard, encrypted by a shared key).
//
// [Membership.Run] owns memberlist's sockets and goroutines; views of all
// members leave through [Membership.Members]. A node tells the others three
// things about itself: which interfaces it could announce on, that it is
// leaving (hand over), and that it is only restarting (wait for it).
//
// Members find each other by the addresses that [Membership.Join] is given;
// those that do not answer are tried again for as long as they are in the
// list, so that a cluster cut in two grows together by itself.
package member
