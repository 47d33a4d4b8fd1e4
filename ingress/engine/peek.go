package engine

import (
	"net"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
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
	s := gone
	_ = raw.Control(func(fd uintptr) { s = look(int(fd)) }) // not called if it is closed
	return s
}

// look is peek for a socket that does not block.
func look(fd int) sound {
	switch n, errno := poll.Peek(fd); {
	case errno == unix.EAGAIN:
		return silent
	case errno != 0 || n == 0:
		return gone
	}
	return speaks
}
