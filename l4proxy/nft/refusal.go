package nft

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// refusal is a SYN that was answered with a reset, as far as the reset tells (RFC
// 9293 §3.5.2).
type refusal struct {
	client, from netip.AddrPort
	sequence     uint32 // of the SYN
}

const (
	ip4Header = 20
	ip6Header = 40
	tcpHeader = 20
	tcpRST    = 0x04
	tcpACK    = 0x10
)

// parseRefusal reads a packet that the rules hand over.
func parseRefusal(b []byte) (r refusal, ok bool) {
	header := ip4Header
	switch {
	case len(b) > 0 && b[0]>>4 == 4:
		if header = int(b[0]&0xf) * 4; len(b) < header+tcpHeader || header < ip4Header || b[9] != unix.IPPROTO_TCP {
			return r, false
		}
		r.from, r.client = endpoints(b[12:16], b[16:20], b[header:])
	case len(b) >= ip6Header+tcpHeader && b[0]>>4 == 6 && b[6] == unix.IPPROTO_TCP:
		header = ip6Header
		r.from, r.client = endpoints(b[8:24], b[24:40], b[header:])
	default:
		return r, false
	}
	r.sequence = binary.BigEndian.Uint32(b[header+8:]) - 1
	return r, b[header+13] == tcpRST|tcpACK
}

// endpoints are the two ends of a segment.
func endpoints(from, to, segment []byte) (src, dst netip.AddrPort) {
	a, _ := netip.AddrFromSlice(from)
	b, _ := netip.AddrFromSlice(to)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(segment)), netip.AddrPortFrom(b, binary.BigEndian.Uint16(segment[2:]))
}

// reset is the answer to the client if nobody takes the connection.
func (r refusal) reset() []byte {
	segment := make([]byte, tcpHeader)
	binary.BigEndian.PutUint32(segment[8:], r.sequence+1)
	segment[12], segment[13] = tcpHeader/4<<4, tcpRST|tcpACK
	return packet(r.from, r.client, segment)
}

// packet puts ports, checksum and an IP header to a segment. The kernel fills in
// the checksum of an IPv4 header.
func packet(from, to netip.AddrPort, segment []byte) []byte {
	binary.BigEndian.PutUint16(segment, from.Port())
	binary.BigEndian.PutUint16(segment[2:], to.Port())
	src, dst := from.Addr().AsSlice(), to.Addr().AsSlice()
	pseudo := append(append([]byte{}, src...), dst...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(segment)))
	pseudo = binary.BigEndian.AppendUint32(pseudo, unix.IPPROTO_TCP)
	binary.BigEndian.PutUint16(segment[16:], checksum(append(pseudo, segment...)))
	if from.Addr().Is4() {
		head := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, unix.IPPROTO_TCP, 0, 0} // do not fragment; 64 hops
		binary.BigEndian.PutUint16(head[2:], uint16(ip4Header+len(segment)))
		return append(append(append(head, src...), dst...), segment...)
	}
	head := []byte{0x60, 0, 0, 0, 0, 0, unix.IPPROTO_TCP, 64}
	binary.BigEndian.PutUint16(head[4:], uint16(len(segment)))
	return append(append(append(head, src...), dst...), segment...)
}

// checksum is that of RFC 1071 over an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
