// Package http is HTTP/1.1 as a proxy needs it (RFC 9110, RFC 9112): bytes in,
// values and bytes out. A [Server] is the client's side of the proxy, a [Client]
// the backend's; [Request] and [Response] are heads, whose fields are slices of
// the buffer that they were read from.
//
// It is strict where lenience lets two parties read one message differently,
// which is what request smuggling lives on: a line ends with CR LF alone, a field
// name is a token followed by its colon, no value holds a control byte, no line
// is folded, and the length of a body is said once, in one way. What is refused
// is an [Error], with the status and the words for the client. What is accepted
// is never passed on as it came: heads are written anew from what was understood,
// bodies are framed anew.
//
// The package is pure: no I/O, clock, log or goroutine, and no readers or
// writers, so that goroutines that block and event loops that do not may both
// drive it. Nothing is allocated once the slices of a Request or Response have
// grown to what a connection needs.
package http
