package bfd

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// receiveBuffer holds what many peers send while this process does not run.
const receiveBuffer = 1 << 20

// place is where a listener listens: sessions of the same kind share it.
type place struct {
	is4, multiHop bool
	vrf           string
}

func placeOf(p Path) place { return place{p.Peer.Is4(), p.MultiHop, p.VRF} }

// listener is a socket that the packets of many sessions come to.
type listener struct {
	place
	fd      int
	ifindex int // of the VRF's device; 0 if there is none
}

// listen opens a listener; beside: there are others, in other VRFs.
func listen(at place, beside bool) (*listener, error) {
	family, addr := unix.AF_INET6, netip.IPv6Unspecified()
	if at.is4 {
		family, addr = unix.AF_INET, netip.IPv4Unspecified()
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	l := &listener{place: at, fd: fd}
	if err := l.prepare(addr, beside); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// reuse lets sockets of different VRFs have one port.
var reuse = option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "sharing of the port"}

func (l *listener) prepare(addr netip.Addr, beside bool) error {
	options := listenerOptions(l.is4)
	if beside {
		options = append(options, reuse)
	}
	if err := setOptions(l.fd, options); err != nil {
		return err
	}
	// More than the host's limit takes a privilege that we may have.
	if unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		if err := unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return fmt.Errorf("set receive buffer of a socket: %w", err)
		}
	}
	if l.vrf != "" {
		if err := unix.BindToDevice(l.fd, l.vrf); err != nil {
			return fmt.Errorf("listen in VRF %s: %w", l.vrf, err)
		}
		index, err := indexOf(l.fd, l.vrf)
		if err != nil {
			return fmt.Errorf("listen in VRF: %w", err)
		}
		l.ifindex = index
	}
	err := unix.Bind(l.fd, sockaddr(netip.AddrPortFrom(addr, uint16(port(l.multiHop))), 0))
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("listen on UDP port %d: %w: is FRR's bfdd, BIRD or another speaker running on this node?", port(l.multiHop), err)
	}
	if err != nil {
		return fmt.Errorf("listen on UDP port %d: %w", port(l.multiHop), err)
	}
	return nil
}

func listenerOptions(is4 bool) []option {
	if is4 {
		return []option{
			{unix.IPPROTO_IP, unix.IP_RECVTTL, 1, "delivery of the TTL"},
			{unix.IPPROTO_IP, unix.IP_PKTINFO, 1, "delivery of the destination"},
		}
	}
	return []option{
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPv6 only"},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1, "delivery of the hop limit"},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, "delivery of the destination"},
	}
}

// stray tells whether the listener's VRF is gone: one that came back under the
// name is another one to the kernel.
func (l *listener) stray() bool { return l.vrf != "" && replaced(l.fd, l.vrf, l.ifindex) }

func (l *listener) close() { _ = unix.Close(l.fd) }
