package load

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mostFDs bounds the numbers of files.
const mostFDs = 8192

// poller is an epoll instance.
type poller struct {
	fd     int
	events [256]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poller{fd: fd}, nil
}

func (p *poller) add(fd int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait returns what happened, after so many ms at most; -1 is for ever.
func (p *poller) wait(ms int) ([]unix.EpollEvent, error) {
	n, err := unix.EpollWait(p.fd, p.events[:], ms)
	if err == unix.EINTR {
		return nil, nil
	}
	return p.events[:max(n, 0)], err
}

// accept takes a connection off a listener's queue; [unix.Accept4] would make
// garbage of the address of each.
func accept(listener int) (int, error) {
	fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// bouncer sends datagrams back to where they came from, and from where they went
// to: the answering end has more addresses than one (IP_PKTINFO, ip(7)).
type bouncer struct {
	buf     [2048]byte
	from    unix.RawSockaddrAny
	control [64]byte
}

// bounce does so with the next datagram of a socket.
func (b *bouncer) bounce(fd int) error {
	part := unix.Iovec{Base: &b.buf[0], Len: uint64(len(b.buf))}
	msg := unix.Msghdr{
		Name: (*byte)(unsafe.Pointer(&b.from)), Namelen: unix.SizeofSockaddrAny,
		Iov: &part, Iovlen: 1, Control: &b.control[0], Controllen: uint64(len(b.control)),
	}
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
	if errno != 0 {
		return errno
	}
	part.Len, msg.Flags = uint64(n), 0
	info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&b.control[unix.CmsgLen(0)]))
	info.Ifindex = 0 // any: the route says
	_, _, errno = unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
	if errno != 0 && errno != unix.EAGAIN { // a full buffer loses a datagram, as a network does
		return errno
	}
	return nil
}

// bound makes a socket of a type, bound to a port on all addresses.
func bound(typ, port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, err
	}
	if typ == unix.SOCK_DGRAM {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
			return -1, fmt.Errorf("IP_PKTINFO: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
		return -1, fmt.Errorf("port %d: %w", port, err)
	}
	return fd, nil
}

// pin keeps the calling thread on the n-th of the processors that it may use, so
// that both ends have one of their own, and no round is lucky.
func pin(n int) error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	n %= may.Count()
	for cpu := 0; ; cpu++ {
		if !may.IsSet(cpu) {
			continue
		}
		if n == 0 {
			one.Set(cpu)
			return unix.SchedSetaffinity(0, &one)
		}
		n--
	}
}
