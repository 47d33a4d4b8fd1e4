package poll

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Dial begins to connect to addr by TCP. An errno of 0 means that it is under way:
// once the descriptor is writable, [Failure] tells what came of it.
func Dial(addr netip.AddrPort) (int, unix.Errno) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, ErrnoOf(err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // slower without
	if err := unix.Connect(fd, Sockaddr(addr)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return -1, ErrnoOf(err)
	}
	return fd, 0
}

// Sockaddr is addr as system calls take it.
func Sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
}

// ErrnoOf is the number of an error of a system call.
func ErrnoOf(err error) unix.Errno {
	var errno unix.Errno
	if !errors.As(err, &errno) || errno == 0 {
		return unix.EIO
	}
	return errno
}

// Failure is the error of a socket, which is reset by that. One that met itself was
// refused: where nobody listens at a port of this host, the kernel may choose the same
// port for our side, and what is sent comes back (RFC 9293 section 3.5).
func Failure(fd int) unix.Errno {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return ErrnoOf(err)
	}
	if mine := side(fd, unix.SYS_GETSOCKNAME); n == 0 && mine.IsValid() && mine == side(fd, unix.SYS_GETPEERNAME) {
		return unix.ECONNREFUSED
	}
	return unix.Errno(n)
}

// ResetOnClose has the connection end with a RST, which leaves no TIME_WAIT.
func ResetOnClose(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}
