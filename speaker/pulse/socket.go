package pulse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket that one thread waits for in the kernel. Go's own
// sockets hand a packet from the thread that polls to the goroutine that reads,
// and where all processors are busy each such step takes its time.
type socket struct{ fd int }

// listen opens a socket at addr.
func listen(addr netip.AddrPort) (*socket, error) {
	family, level, option := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	if addr.Addr().Is4() {
		family, level, option = unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("have errors reported: %w", err)
	}
	if err := unix.Bind(fd, sockaddr(addr)); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen on %v: %w", addr, err)
	}
	return &socket{fd}, nil
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
}

// wait returns when a packet is there or the time is over.
func (s *socket) wait(d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, err := unix.Ppoll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, &ts, nil)
	if err != nil && !errors.Is(err, unix.EINTR) {
		time.Sleep(leastWait)
	}
}

// receive reads a packet into buf; false if there is none.
func (s *socket) receive(buf []byte) (n int, ok bool) {
	n, _, err := unix.Recvfrom(s.fd, buf, unix.MSG_DONTWAIT)
	return n, err == nil
}

// send does not tell of errors: a peer that cannot be reached is silent, and
// that says it all.
func (s *socket) send(b []byte, to netip.AddrPort) {
	if unix.Sendto(s.fd, b, unix.MSG_DONTWAIT, sockaddr(to)) != nil {
		// The error may be another packet's, of which Linux tells here first.
		_ = unix.Sendto(s.fd, b, unix.MSG_DONTWAIT, sockaddr(to))
	}
}

// complaint reads what became of an earlier packet to the given address;
// refused if the host there says that nobody listens. false if there is none.
func (s *socket) complaint(buf []byte) (to netip.AddrPort, refused, ok bool) {
	var oob [256]byte
	_, n, _, from, err := unix.Recvmsg(s.fd, buf, oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return to, false, false
	}
	switch sa := from.(type) {
	case *unix.SockaddrInet4:
		to = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		to = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return to, false, true
	}
	for _, m := range messages { // struct sock_extended_err begins with the errno
		if len(m.Data) >= 4 && binary.NativeEndian.Uint32(m.Data) == uint32(unix.ECONNREFUSED) {
			return to, true, true
		}
	}
	return to, false, true
}

func (s *socket) close() { _ = unix.Close(s.fd) }
