package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/poll"
)

// backlog is for clients that come while a loop is busy; the kernel bounds it by
// net.core.somaxconn.
const backlog = 4096

// listen opens a listening socket beside others at the same address. It is -1 on
// a host without that family.
func listen(addr netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("open a socket: %w", err)
	}
	if err := prepare(fd, addr); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("listen at %v: %w", addr, err)
	}
	return fd, nil
}

func prepare(fd int, addr netip.AddrPort) error {
	options := []struct{ level, name int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY}, // connections have it from here
	}
	if addr.Addr().Is6() {
		options = append(options, struct{ level, name int }{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, 1); err != nil {
			return fmt.Errorf("socket option %d: %w", o.name, err)
		}
	}
	if err := unix.Bind(fd, poll.Sockaddr(addr)); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST: where a connection
// was going to before the kernel translated it.
const soOriginalDst = 80

// destination is where a connection was going to: as conntrack has it, or, of a
// connection that it does not know, as it came.
func destination(fd int, is6 bool) netip.AddrPort {
	level := uintptr(unix.SOL_IP)
	if is6 {
		level = unix.SOL_IPV6
	}
	var sa unix.RawSockaddrInet6
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), level, soOriginalDst,
		uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		size = uint32(unsafe.Sizeof(sa))
		_, _, errno = unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	}
	if errno != 0 {
		return netip.AddrPort{}
	}
	return poll.AddrPortOf(&sa)
}
