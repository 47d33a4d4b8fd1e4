package bfd

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	ttl          = 255
	trafficClass = 0xc0 // internetwork control, as routing protocols have it
	priority     = 6    // of the queues of this host
	portTries    = 256
)

// sender is the socket that one session sends by: its own source port, and a
// route that the kernel remembers.
type sender struct {
	fd      int
	source  netip.AddrPort
	ifindex int // of Path.device; 0 if there is none
}

// dial opens the sender of a path, at a port that is none of those taken.
func dial(p Path, taken sourcePorts) (*sender, error) {
	family := unix.AF_INET6
	if p.Peer.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &sender{fd: fd}
	if err := s.prepare(p, taken); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *sender) prepare(p Path, taken sourcePorts) error {
	if err := setOptions(s.fd, senderOptions(p.Peer.Is4())); err != nil {
		return err
	}
	if device := p.device(); device != "" {
		if err := unix.BindToDevice(s.fd, device); err != nil {
			return fmt.Errorf("send by interface %s: %w", device, err)
		}
		index, err := indexOf(s.fd, device)
		if err != nil {
			return err
		}
		s.ifindex = index
	}
	if err := s.bind(p, taken); err != nil {
		return err
	}
	to := netip.AddrPortFrom(p.Peer, uint16(port(p.MultiHop)))
	if err := unix.Connect(s.fd, sockaddr(to, s.ifindex)); err != nil {
		return fmt.Errorf("find a route to %v: %w", p.Peer, err)
	}
	from, err := unix.Getsockname(s.fd)
	if err != nil {
		return fmt.Errorf("read the source address: %w", err)
	}
	s.source = addrPort(from)
	return nil
}

// device is what the path's sockets are bound to.
func (p Path) device() string {
	if p.Interface != "" {
		return p.Interface
	}
	return p.VRF
}

type option struct {
	level, name, value int
	what               string
}

func senderOptions(is4 bool) []option {
	out := []option{
		{unix.SOL_SOCKET, unix.SO_PRIORITY, priority, "priority"},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, 0, "receive buffer"}, // nobody has a reason to write to it
	}
	if is4 {
		return append(out, option{unix.IPPROTO_IP, unix.IP_TTL, ttl, "TTL"},
			option{unix.IPPROTO_IP, unix.IP_TOS, trafficClass, "type of service"})
	}
	return append(out, option{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl, "hop limit"},
		option{unix.IPPROTO_IPV6, unix.IPV6_TCLASS, trafficClass, "traffic class"})
}

func setOptions(fd int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("set %s of a socket: %w", o.what, err)
		}
	}
	return nil
}

// bind takes a source port that nobody has. The kernel knows of those of other
// processes only.
func (s *sender) bind(p Path, taken sourcePorts) error {
	from := p.Local
	if !from.IsValid() {
		if from = netip.IPv6Unspecified(); p.Peer.Is4() {
			from = netip.IPv4Unspecified()
		}
	}
	var err error
	for range portTries {
		if err = unix.Bind(s.fd, sockaddr(netip.AddrPortFrom(from, taken.pick()), s.ifindex)); !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("send from %v: %w", from, err)
	}
	return nil
}

// send sends b. The kernel tells of ICMP errors about an earlier packet, once,
// and then has not sent b. They say nothing about the path: anybody may forge
// them, from anywhere, and that must not silence the session. That nobody
// listens at the peer is no error at all.
func (s *sender) send(b []byte) error {
	_, err := unix.Write(s.fd, b)
	if err != nil {
		_, err = unix.Write(s.fd, b)
	}
	switch {
	case err == nil, errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return nil
	}
	return fmt.Errorf("send: %w", err)
}

func (s *sender) close() { _ = unix.Close(s.fd) }

// indexOf is the number of an interface.
func indexOf(fd int, name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req)
	}
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(req.Uint32()), nil
}

// replaced tells whether an interface is not the one that had the number.
func replaced(fd int, name string, index int) bool {
	now, err := indexOf(fd, name)
	return err != nil || now != index
}

// sockaddr is addr for the kernel; zone is of a link-local address.
func sockaddr(addr netip.AddrPort, zone int) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	out := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if addr.Addr().IsLinkLocalUnicast() {
		out.ZoneId = uint32(zone)
	}
	return out
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
