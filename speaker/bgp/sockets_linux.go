package bgp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shutSockets ends the TCP connections of this process to a peer as if the
// process had died: a FIN, no NOTIFICATION. A router with graceful restart
// then keeps our routes (RFC 4724 §4.2). GoBGP offers no such thing and keeps
// its sockets to itself, hence the look at our own descriptors.
func shutSockets(s settings) error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list own sockets: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list own sockets: %w", err)
	}
	var errs []error
	for _, name := range names {
		target, err := os.Readlink("/proc/self/fd/" + name)
		if err != nil || !strings.HasPrefix(target, "socket:") {
			continue
		}
		if fd, err := strconv.Atoi(name); err == nil {
			errs = append(errs, shutIfPeer(fd, s))
		}
	}
	return errors.Join(errs...)
}

// shutIfPeer shuts fd down if it is the TCP connection of s. It works on a
// duplicate, so that a descriptor closed and used anew meanwhile is not hit.
func shutIfPeer(fd int, s settings) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil // gone already
	}
	defer unix.Close(own)
	kind, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return nil
	}
	remote, err := unix.Getpeername(own)
	if err != nil {
		return nil
	}
	local, err := unix.Getsockname(own)
	if err != nil || !s.owns(addrPort(local), addrPort(remote)) || !s.isIn(boundTo(own)) {
		return nil
	}
	if err := unix.Shutdown(own, unix.SHUT_RDWR); err != nil && !errors.Is(err, unix.ENOTCONN) {
		return fmt.Errorf("shut connection to %s: %w", s.peer.addr, err)
	}
	return nil
}

// owns tells whether a connection between local and remote is that of s.
func (s settings) owns(local, remote netip.AddrPort) bool {
	if remote.Addr() != s.peer.addr || s.peer.source.IsValid() && local.Addr() != s.peer.source.WithZone("") {
		return false
	}
	if s.server.listen.IsValid() {
		return local.Port() == s.server.listen.Port()
	}
	return remote.Port() == s.peer.port
}

// isIn tells whether a connection of s may be bound to a device. Where the router
// is waited for in the default VRF, the kernel binds what comes out of others, if
// it lets it in (tcp_l3mdev_accept); a link-local address is bound to its link.
func (s settings) isIn(device string) bool {
	if s.server.vrf.name == "" && (s.server.listen.IsValid() || s.peer.addr.Zone() != "") {
		return true
	}
	return device == s.server.vrf.name
}

// boundTo is the device that a socket is bound to; "" if it is to none, or to one
// that is gone.
func boundTo(fd int) string {
	name, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if err != nil {
		return ""
	}
	return name
}

// addrPort reads an IP socket address; others give the zero value.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 { // routers like to have one link-local address on all links
			if link, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				addr = addr.WithZone(link.Name)
			}
		}
		return netip.AddrPortFrom(addr, uint16(a.Port))
	}
	return netip.AddrPort{}
}
