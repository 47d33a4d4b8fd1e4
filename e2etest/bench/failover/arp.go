package failover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"golang.org/x/sys/unix"
)

// Operations of ARP (RFC 826).
const (
	arpRequest = 1
	arpReply   = 2
)

// arpFrame is what the bench makes and reads of an Ethernet frame with ARP for
// IPv4.
type arpFrame struct {
	op               uint16
	sender           net.HardwareAddr
	senderIP, target netip.Addr
}

// arpSize is that of such a frame without padding.
const arpSize = 42

// encode makes a broadcast frame. The hardware address of the target is unknown.
func (f arpFrame) encode() []byte {
	b := make([]byte, 0, arpSize)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	b = append(b, f.sender...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, f.op)
	b = append(append(b, f.sender...), f.senderIP.AsSlice()...)
	return append(append(b, 0, 0, 0, 0, 0, 0), f.target.AsSlice()...)
}

// parseARP reads a frame; false if it is none of this kind.
func parseARP(b []byte) (arpFrame, bool) {
	if len(b) < arpSize || string(b[12:20]) != "\x08\x06\x00\x01\x08\x00\x06\x04" {
		return arpFrame{}, false
	}
	return arpFrame{
		op: binary.BigEndian.Uint16(b[20:]), sender: net.HardwareAddr(b[22:28]),
		senderIP: netip.AddrFrom4([4]byte(b[28:32])), target: netip.AddrFrom4([4]byte(b[38:42])),
	}, true
}

// gratuitous tells whether the frame announces its sender.
func (f arpFrame) gratuitous() bool { return f.senderIP == f.target || f.op == arpReply }

// ear is a packet socket for ARP on the LAN card of a host.
type ear struct {
	fd    int
	index int
	mac   net.HardwareAddr
	ip    netip.Addr
}

// listen opens an ear that hears frames of the operation alone; 0 for all.
func listen(host *lab.Host, op uint16) (*ear, error) {
	e := &ear{ip: host.Addrs(lab.LAN)[0]}
	err := host.Netns.Do(func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		e.index, e.mac = link.Index, link.HardwareAddr
		if e.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return e.prepare(op)
	})
	if err != nil {
		return nil, fmt.Errorf("listen to ARP on %s: %w", host.Name, err)
	}
	return e, nil
}

// prepare sets the filter before it binds, so that nothing else is queued.
func (e *ear) prepare(op uint16) error {
	if op != 0 {
		filter := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 20}, // operation
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: uint32(op)},
			{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
			{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		}
		program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(e.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
	}
	tenth := unix.NsecToTimeval((100 * time.Millisecond).Nanoseconds())
	return errors.Join(
		unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(e.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tenth),
		unix.Bind(e.fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ARP), Ifindex: e.index}),
	)
}

func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

// ask sends a request for an address.
func (e *ear) ask(target netip.Addr) error {
	return e.send(arpFrame{op: arpRequest, sender: e.mac, senderIP: e.ip, target: target}.encode())
}

func (e *ear) send(frame []byte) error {
	return unix.Sendto(e.fd, frame, 0, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ARP), Ifindex: e.index})
}

// hear returns the next frame and when the kernel got it; false after a tenth of
// a second without one.
func (e *ear) hear() (arpFrame, time.Time, bool, error) {
	var buf [128]byte
	var control [64]byte
	n, oobn, _, _, err := unix.Recvmsg(e.fd, buf[:], control[:], 0)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return arpFrame{}, time.Time{}, false, nil
	}
	if err != nil {
		return arpFrame{}, time.Time{}, false, fmt.Errorf("hear ARP: %w", err)
	}
	f, ok := parseARP(buf[:n])
	return f, stampOf(control[:oobn]), ok, nil
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

func (e *ear) close() error { return unix.Close(e.fd) }
