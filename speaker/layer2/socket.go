package layer2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// receiveBuffer takes bursts, in bytes; the default drops at 10,000/s.
	receiveBuffer = 1 << 20
	// A thread that goes before all others gives way after so many frames in a
	// row, so that a flood of questions for our addresses leaves others time.
	crowded = 256
	giveWay = time.Millisecond
)

// socket is a packet socket with the addresses that its filter lets through.
// One thread waits for it in the kernel: see [thread.Urgent].
type socket struct {
	conn  *packet.Conn
	raw   syscall.RawConn
	wake  int                    // eventfd: the reader is to end
	to    unix.SockaddrLinklayer // the link
	proto string
	addrs []netip.Addr
	row   int // frames received without waiting
}

func newSocket(key linkKey, proto string, ether int, addrs []netip.Addr, prog []bpf.RawInstruction) (*socket, error) {
	ifi := &net.Interface{Name: key.name, Index: key.index, HardwareAddr: key.mac[:]}
	conn, err := packet.Listen(ifi, packet.Raw, ether, &packet.Config{Filter: prog})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	// A larger buffer is welcome, not needed: failure is no fault.
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
	})
	to := unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, uint16(ether))), Ifindex: key.index, Halen: 6}
	return &socket{conn: conn, raw: raw, wake: wake, to: to, proto: proto, addrs: addrs}, nil
}

// receive waits for the next frame. The error is [os.ErrClosed] once the reader
// is to end.
func (s *socket) receive(buf []byte) (n int, err error) {
	closed := s.raw.Read(func(fd uintptr) bool {
		n, err = s.next(int(fd), buf)
		return true
	})
	if closed != nil {
		return 0, os.ErrClosed
	}
	return n, err
}

func (s *socket) next(fd int, buf []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			if s.row++; s.row%crowded == 0 {
				time.Sleep(giveWay)
			}
			return n, nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return 0, err
		}
		s.row = 0
		wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
		if _, err := unix.Ppoll(wait, nil, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("wait for frames: %w", err)
		}
		if wait[1].Revents != 0 {
			return 0, os.ErrClosed
		}
	}
}

// errFull is the error of a link that takes no more frames for now.
var errFull = errors.New("the link takes no more frames")

// send does not wait: a link that takes nothing is to hold up no other.
func (s *socket) send(a answer) (err error) {
	to := s.to
	copy(to.Addr[:], a.to)
	closed := s.raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), a.frame, unix.MSG_DONTWAIT, &to)
		return true
	})
	switch {
	case closed != nil:
		return os.ErrClosed
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return errFull
	}
	return err
}

// close ends the reader and then the socket.
func (s *socket) close() {
	_, _ = unix.Write(s.wake, []byte{1, 1, 1, 1, 1, 1, 1, 1}) // any number does
	s.conn.Close()
}

// done is for the reader to call at its end.
func (s *socket) done() { _ = unix.Close(s.wake) }
