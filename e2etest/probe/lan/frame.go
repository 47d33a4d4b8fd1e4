package lan

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// Kind is what a frame is for.
type Kind int

// The kinds of frames that matter here: a question for an address, the answer
// to one, and an announcement that nobody asked for.
const (
	Question Kind = iota + 1
	Answer
	Announcement
)

// Frame is an ARP packet for IPv4 (RFC 826), or a neighbour solicitation or
// advertisement (RFC 4861).
type Frame struct {
	Kind     Kind
	To, From net.HardwareAddr // of the Ethernet header; From is who says it
	Addr     netip.Addr       // that is asked for or answered for
	Asker    netip.Addr       // of a question
}

const (
	arpSize   = 42 // without padding
	typeARP   = 0x0806
	typeIPv6  = 0x86dd
	icmpV6    = 58
	naSize    = 78 // Ethernet, IPv6, and an advertisement without options
	solicited = 0x40
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Parse reads a frame; false if it is none of these.
func Parse(b []byte) (Frame, bool) {
	if len(b) < arpSize {
		return Frame{}, false
	}
	f := Frame{To: net.HardwareAddr(b[:6]), From: net.HardwareAddr(b[6:12])}
	switch binary.BigEndian.Uint16(b[12:]) {
	case typeARP:
		return f.arp(b[14:])
	case typeIPv6:
		return f.ndp(b[14:])
	}
	return f, false
}

func (f Frame) arp(b []byte) (Frame, bool) {
	if string(b[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return f, false
	}
	op, sender, target := b[7], netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	switch {
	case sender == target || op == 2 && f.To[0]&1 == 1:
		f.Kind, f.Addr = Announcement, sender
	case op == 2:
		f.Kind, f.Addr = Answer, sender
	case op == 1:
		f.Kind, f.Addr, f.Asker = Question, target, sender
	}
	return f, f.Kind != 0
}

func (f Frame) ndp(b []byte) (Frame, bool) {
	if len(b) < naSize-14 || b[6] != icmpV6 {
		return f, false
	}
	f.Addr = netip.AddrFrom16([16]byte(b[48:64]))
	switch icmpType, flags := ipv6.ICMPType(b[40]), b[44]; {
	case icmpType == ipv6.ICMPTypeNeighborSolicitation:
		f.Kind, f.Asker = Question, netip.AddrFrom16([16]byte(b[8:24]))
	case icmpType == ipv6.ICMPTypeNeighborAdvertisement && flags&solicited != 0:
		f.Kind = Answer
	case icmpType == ipv6.ICMPTypeNeighborAdvertisement:
		f.Kind = Announcement
	}
	return f, f.Kind != 0
}

// question is a frame from a host that asks everybody for addr.
func question(mac net.HardwareAddr, asker, addr netip.Addr) ([]byte, error) {
	if addr.Is4() {
		return arp(1, broadcast, mac, asker, make(net.HardwareAddr, 6), addr), nil
	}
	raw := addr.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: raw[13], 14: raw[14], 15: raw[15]})
	body := append(append([]byte{0, 0, 0, 0}, raw[:]...), 1, 1) // source link-layer address, 8 octets
	message := icmp.Message{Type: ipv6.ICMPTypeNeighborSolicitation, Body: &icmp.RawBody{Data: append(body, mac...)}}
	packet, err := message.Marshal(icmp.IPv6PseudoHeader(asker.AsSlice(), group.AsSlice()))
	if err != nil {
		return nil, err
	}
	b := append([]byte{0x33, 0x33, 0xff, raw[13], raw[14], raw[15]}, mac...)
	b = append(b, typeIPv6>>8, typeIPv6&0xff, 0x60, 0, 0, 0, 0, byte(len(packet)), icmpV6, 255)
	b = append(append(b, asker.AsSlice()...), group.AsSlice()...)
	return append(b, packet...), nil
}

func arp(op byte, to, from net.HardwareAddr, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) []byte {
	b := append(append(make([]byte, 0, arpSize), to...), from...)
	b = append(b, typeARP>>8, typeARP&0xff, 0, 1, 8, 0, 6, 4, 0, op)
	b = append(append(b, from...), sender.AsSlice()...)
	return append(append(b, targetMAC...), target.AsSlice()...)
}
