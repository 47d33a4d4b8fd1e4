package failover

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/probe/lan"
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
	*lan.Socket
	ip netip.Addr
}

// listen opens an ear that hears frames of the operation alone; 0 for all.
func listen(host *lab.Host, op uint16) (*ear, error) {
	var filter []unix.SockFilter
	if op != 0 {
		filter = []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 20}, // operation
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: uint32(op)},
			{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
			{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		}
	}
	socket, err := lan.Open(host.Netns, "eth0", unix.ETH_P_ARP, filter)
	if err != nil {
		return nil, err
	}
	return &ear{socket, host.Addrs(lab.LAN)[0]}, nil
}

// ask sends a request for an address.
func (e *ear) ask(target netip.Addr) error {
	return e.Send(arpFrame{op: arpRequest, sender: e.MAC, senderIP: e.ip, target: target}.encode())
}

// hear returns the next frame and when the kernel got it; false after a tenth of
// a second without one.
func (e *ear) hear() (arpFrame, time.Time, bool, error) {
	var buf [128]byte
	n, at, err := e.Receive(buf[:])
	f, ok := parseARP(buf[:n])
	return f, at, ok, err
}
