package lan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"golang.org/x/sys/unix"
)

// Socket is a packet socket on one card of a host.
type Socket struct {
	MAC net.HardwareAddr // of the card

	fd, index int
}

// heard passes ARP, and ICMPv6 of the types 135 and 136 right behind the header.
var heard = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 6, K: typeARP},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 6, K: typeIPv6},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 20},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 4, K: icmpV6},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 54},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: 135},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: 136},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// open opens a socket that hears ARP and neighbour discovery alone, its host's
// own frames included.
func open(ns *network.Netns, card string) (*Socket, error) {
	return Open(ns, card, unix.ETH_P_ALL, heard)
}

// Open opens a socket on the card of that name. It hears what has the Ethernet
// protocol and what filter passes; nil passes all.
func Open(ns *network.Netns, card string, protocol uint16, filter []unix.SockFilter) (*Socket, error) {
	s := &Socket{}
	err := ns.Do(func() error {
		link, err := net.InterfaceByName(card)
		if err != nil {
			return err
		}
		s.index, s.MAC = link.Index, link.HardwareAddr
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := s.prepare(protocol, filter); err != nil {
			return errors.Join(err, unix.Close(s.fd))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("packet socket on %s of %s: %w", card, ns.Name, err)
	}
	return s, nil
}

// prepare sets the filter before it binds, so that nothing else is queued.
func (s *Socket) prepare(protocol uint16, filter []unix.SockFilter) error {
	if len(filter) > 0 {
		program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
	}
	tenth := unix.NsecToTimeval((100 * time.Millisecond).Nanoseconds())
	return errors.Join(
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tenth),
		unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: s.index}),
	)
}

// Send sends a frame, Ethernet header included.
func (s *Socket) Send(frame []byte) error {
	return unix.Sendto(s.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: s.index})
}

// Receive reads the beginning of the next frame into buf and tells when the
// kernel got it; 0 bytes after a tenth of a second without one.
func (s *Socket) Receive(buf []byte) (n int, at time.Time, err error) {
	var control [64]byte
	n, oobn, _, _, err := unix.Recvmsg(s.fd, buf, control[:], 0)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) {
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("hear the LAN: %w", err)
	}
	return n, stampOf(control[:oobn]), nil
}

// hear returns the next frame and when the kernel got it; false after a tenth of
// a second without one.
func (s *Socket) hear() (Frame, time.Time, bool, error) {
	var buf [256]byte
	n, at, err := s.Receive(buf[:])
	f, ok := Parse(buf[:n])
	return f, at, ok, err
}

// stampOf reads the time of arrival; now if the kernel gave none.
func stampOf(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			order := binary.NativeEndian
			return time.Unix(int64(order.Uint64(m.Data)), int64(order.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// Close closes it.
func (s *Socket) Close() error { return unix.Close(s.fd) }
