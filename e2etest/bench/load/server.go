package load

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// role is what a file of the server is.
type role uint8

const (
	unused role = iota
	echoListener
	sourceListener
	echo
	source
	udpEcho
)

// server answers on the three ports.
type server struct {
	poll      *poller
	roles     [mostFDs]role
	buf       [256 << 10]byte
	datagrams bouncer
}

// Serve answers until something fails.
func Serve() error {
	runtime.LockOSThread() // never unlocked: the thread is pinned
	s := &server{}
	err := pin(1)
	if err != nil {
		return err
	}
	if s.poll, err = newPoller(); err != nil {
		return err
	}
	for port, r := range map[int]role{EchoPort: echoListener, SourcePort: sourceListener, UDPPort: udpEcho} {
		if err := s.open(port, r); err != nil {
			return err
		}
	}
	for {
		events, err := s.poll.wait(-1)
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events {
			if err := s.handle(int(e.Fd)); err != nil {
				return err
			}
		}
	}
}

func (s *server) open(port int, r role) error {
	typ := unix.SOCK_STREAM
	if r == udpEcho {
		typ = unix.SOCK_DGRAM
	}
	fd, err := bound(typ, port)
	if err != nil {
		return err
	}
	if typ == unix.SOCK_STREAM {
		if err := unix.Listen(fd, 4096); err != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
	}
	s.roles[fd] = r
	return s.poll.add(fd, unix.EPOLLIN)
}

// handle does what is to be done at a file.
func (s *server) handle(fd int) error {
	switch s.roles[fd] {
	case echoListener:
		return s.acceptAll(fd, echo, unix.EPOLLIN|unix.EPOLLRDHUP)
	case sourceListener:
		return s.acceptAll(fd, source, unix.EPOLLOUT|unix.EPOLLRDHUP)
	case echo:
		s.echo(fd)
	case source:
		if _, err := unix.Write(fd, s.buf[:]); err != nil && err != unix.EAGAIN {
			s.close(fd)
		}
	case udpEcho:
		for range 64 { // and then others may have their turn
			if err := s.datagrams.bounce(fd); err != nil {
				break // none left, or its sender is gone
			}
		}
	}
	return nil
}

func (s *server) acceptAll(listener int, r role, events uint32) error {
	for {
		fd, err := accept(listener)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.ECONNABORTED:
			continue
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		case fd >= mostFDs:
			return errors.New("accept: too many connections")
		}
		s.roles[fd] = r
		if err := s.poll.add(fd, events); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
	}
}

// echo sends back what has come; the end of a connection is its end here.
func (s *server) echo(fd int) {
	n, err := unix.Read(fd, s.buf[:2048])
	if err == unix.EAGAIN {
		return
	}
	if n > 0 {
		_, err = unix.Write(fd, s.buf[:n])
	}
	if n <= 0 || err != nil {
		s.close(fd)
	}
}

func (s *server) close(fd int) {
	s.roles[fd] = unused
	unix.Close(fd)
}
