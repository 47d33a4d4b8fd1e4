package engine

import (
	"net"

	"golang.org/x/sys/unix"
)

// sound is what a connection says without being read.
type sound uint8

const (
	silent sound = iota // nothing: it is there
	speaks              // there is something to read
	gone                // the other side ended it
)

// peek looks at a connection and takes nothing from it.
func peek(c *net.TCPConn) sound {
	raw, err := c.SyscallConn()
	if err != nil {
		return gone
	}
	var n int
	var failed error
	var one [1]byte
	if err := raw.Control(func(fd uintptr) {
		n, _, failed = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	}); err != nil {
		return gone
	}
	switch {
	case failed == unix.EAGAIN || failed == unix.EINTR:
		return silent
	case failed != nil || n == 0:
		return gone
	}
	return speaks
}
