// Package load makes traffic and answers it, at so little cost that what a
// router between the two adds is seen: one thread at each end, an epoll loop,
// no allocation while it runs.
//
// The work of a veth pair is done by the thread that sends, so that the
// processor time of both ends is that of the whole way between them.
package load
