// Package poll runs event loops: one goroutine serves thousands of connections,
// none of which has a goroutine of its own. It is for those who move bytes and
// count every call; a server that may block in between is better off with net.
//
// A [Loop] belongs to the goroutine in [Loop.Run], which calls a [Handler] when
// something happened to its file descriptor. All methods but [Loop.Post] are for
// that goroutine, so that what a loop owns needs no lock. Its epoll is
// edge-triggered: a descriptor is told to the kernel once, in both directions, and
// a handler has to remember what it did not use up.
//
// The loop does not wait in epoll_wait, which would keep a thread and the right to
// run Go code with it: it asks without waiting, and parks by the runtime's own
// poller until the epoll instance, which is a file descriptor too, has news. A loop
// that is often idle costs no hand-off between threads then. The system calls of
// the hot path go to the kernel without telling the scheduler; none of them blocks.
package poll
