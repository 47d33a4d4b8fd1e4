// Package sandbox runs the calling program again inside namespaces of its own
// (process, mount, network, host name, IPC), so that whatever the lab makes
// there, links, routes, nft tables, named network namespaces, daemons, is
// removed by the kernel when the lab ends, however it ends.
//
// Three processes carry a run:
//
//	outer   in the host's namespaces: owns the work directory, passes signals on
//	init    PID 1 of the sandbox: reaps orphans, dies with the outer process
//	inside  the program proper: Enter returns here
//
// The outer process never makes a network object. When it is killed, init is
// killed by the kernel (parent death signal, and a pipe that closes), and with
// init every process of its PID namespace; with the last process go the mounts,
// the network namespaces and their links. What the kernel cannot remove is the
// work directory: it holds a locked file, and the next run removes the
// directories whose lock nobody holds.
package sandbox
