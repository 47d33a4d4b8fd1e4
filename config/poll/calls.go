package poll

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below go to the kernel without telling the scheduler of Go, which
// must not be done with one that may block: their descriptors do not. An errno of
// 0 is success.

// Read reads into b, which is not empty.
func Read(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Receive reads from a socket into b, which is not empty. It costs less than [Read].
func Receive(fd int, b []byte) (int, unix.Errno) { return receive(fd, b, 0) }

// Peek looks for a byte to read and leaves it where it is: 0 of them is the end.
func Peek(fd int) (int, unix.Errno) {
	var one [1]byte
	return receive(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
}

func receive(fd int, b []byte, flags uintptr) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Send writes b, which is not empty, to a socket.
func Send(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Splice moves up to n bytes from one descriptor to another, of which one is a
// pipe, without taking them to user space.
func Splice(from, to, n int) (int, unix.Errno) {
	for {
		moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if errno != unix.EINTR {
			return int(moved), errno
		}
	}
}

// Accept takes a connection from a listening socket. It does not block either.
func Accept(fd int) (conn int, peer netip.AddrPort, _ unix.Errno) {
	for {
		var sa unix.RawSockaddrInet6 // the larger of the two
		size := uint32(unsafe.Sizeof(sa))
		n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(n), AddrPortOf(&sa), 0
		case unix.EINTR:
		default:
			return -1, netip.AddrPort{}, errno
		}
	}
}

// side is the address of one side of a connection, which call asks for.
func side(fd int, call uintptr) netip.AddrPort {
	var sa unix.RawSockaddrInet6 // as in Accept
	size := uint32(unsafe.Sizeof(sa))
	if _, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); errno != 0 {
		return netip.AddrPort{}
	}
	return AddrPortOf(&sa)
}

// AddrPortOf is what the kernel wrote into sa, were it an address of IPv4.
func AddrPortOf(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := func(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }
	switch sa.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), port(&sa4.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port(&sa.Port))
	}
	return netip.AddrPort{}
}

// epollWait takes what there is.
func epollWait(fd int, events []unix.EpollEvent) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
