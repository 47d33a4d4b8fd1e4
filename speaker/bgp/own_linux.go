package bgp

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// isOwn tells whether the connection from local to remote is one of this process.
// Neither a port nor the loopback address tells that: any program of the node can
// have them.
func isOwn(local, remote netip.AddrPort) (bool, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return false, fmt.Errorf("list own sockets: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return false, fmt.Errorf("list own sockets: %w", err)
	}
	for _, name := range names {
		target, err := os.Readlink("/proc/self/fd/" + name)
		if err != nil || !strings.HasPrefix(target, "socket:") {
			continue
		}
		if fd, err := strconv.Atoi(name); err == nil && joins(fd, local, remote) {
			return true, nil
		}
	}
	return false, nil
}

// joins tells whether fd is a socket whose ends are local and remote.
func joins(fd int, local, remote netip.AddrPort) bool {
	here, err := unix.Getsockname(fd)
	if err != nil || addrPort(here) != local {
		return false
	}
	there, err := unix.Getpeername(fd)
	return err == nil && addrPort(there) == remote
}

// addrPort reads an IPv4 socket address; others give the zero value.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	if a, ok := sa.(*unix.SockaddrInet4); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
