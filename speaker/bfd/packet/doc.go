// Package packet reads and writes BFD control packets (RFC 5880, 4) and their
// authentication sections. It is pure: bytes in, values out, and for every
// packet that is not kept a typed reason, a [Discard].
//
// [Parse] judges what a packet says of itself; whether it belongs to a session
// and proves who sent it is for that session to say, with [Verify].
package packet
