package failover

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a TCP connection of a thread that waits in the kernel.
type socket struct {
	fd       int
	deadline time.Time
}

// dial connects; all that is done with the connection ends at the deadline.
func dial(addr netip.AddrPort, deadline time.Time) (*socket, error) {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()})
	if addr.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	s := &socket{fd, deadline}
	if err := s.connect(to); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, nil
}

func (s *socket) connect(to unix.Sockaddr) error {
	if err := unix.Connect(s.fd, to); err != unix.EINPROGRESS {
		return err
	}
	if err := s.ready(unix.POLLOUT); err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// ready waits until the socket can be read or written.
func (s *socket) ready(events int16) error {
	for {
		left := time.Until(s.deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: events}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return err
		}
	}
}

// Read implements io.Reader.
func (s *socket) Read(b []byte) (int, error) {
	if err := s.ready(unix.POLLIN); err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	n, err := unix.Read(s.fd, b)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read: %w", err)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (s *socket) Write(b []byte) (int, error) {
	if err := s.ready(unix.POLLOUT); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	n, err := unix.Write(s.fd, b)
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func (s *socket) close() { unix.Close(s.fd) }
