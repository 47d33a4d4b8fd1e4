// Package h2 is HTTP/2 as a proxy needs it (RFC 9113, and RFC 8441 for extended
// CONNECT): the state of one connection, from the side of the server or of the
// client.
//
// It is pure: no I/O, clock, log or goroutine. A driver, be it a goroutine that
// blocks or an event loop that does not, owns a [Conn] and does this:
//
//	read bytes behind those that were left over
//	for { ev, n, err := conn.Next(in, now) … }   until an event of kind None: act on each
//	write conn.Output(), tell conn.Wrote how much went out
//	if conn.Stalled(), call Next again before reading
//
// Whatever is to be sent, answers to PING and SETTINGS too, is appended to one
// buffer, so that a batch of events costs one write. Acting on an event means
// calls such as [Conn.Respond] and [Conn.Send], at once or at any later time.
//
// # Back-pressure
//
// Bytes to send: Send takes what the two flow-control windows and the bound of
// the output buffer have room for and says how much that was. The rest stays with
// the driver, who gets an event of kind [Writable] when there is room again; a
// driver that reads no more than [Conn.Room] from a backend never has a rest.
// Bytes received: the windows open as the driver says by [Conn.Consumed] that it
// got rid of them, so that no more than [Limits] say is ever under way.
//
// # Errors
//
// What the other side does to a stream ends that stream: it is told so, and the
// driver gets an event of kind [Reset] with the code and a reason for the log.
// What it does to the connection ends the connection: Next returns an [*Error],
// the output holds the GOAWAY, and all that is left is to write it and to close.
//
// What comes as a [Head] is fit to be passed on as HTTP/1.1: no field can hold a
// line end, no name a colon or an upper-case letter, nothing says how long a body
// is but a content-length that the DATA frames are held to.
package h2
