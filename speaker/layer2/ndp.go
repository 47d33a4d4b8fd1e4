package layer2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

const (
	etherHeader = 14
	ip6Header   = 40
	protoICMPv6 = 58
)

var allNodes = netip.MustParseAddr("ff02::1")

// solicitation is a Neighbor Solicitation with what its packet says about it.
type solicitation struct {
	from, to netip.Addr
	mac      net.HardwareAddr // who asked: its option, else the Ethernet source
	target   netip.Addr
}

// answerNDP reads an Ethernet frame and makes the advertisement that answers a
// Neighbor Solicitation (RFC 4861, 7.2.4) for an address that owns says is
// ours: multicast or unicast, with or without a source link-layer option, or
// from somebody who checks for a duplicate (RFC 4862, 5.4), who is answered at
// all-nodes.
func answerNDP(frame []byte, mac net.HardwareAddr, owns func(netip.Addr) bool) (answer, drop) {
	s, why := readSolicitation(frame)
	if why != "" {
		return answer{}, why
	}
	if bytes.Equal(frame[6:12], mac) || bytes.Equal(s.mac, mac) {
		return answer{}, dropOwn
	}
	if !owns(s.target) {
		return answer{}, dropNotOwned
	}
	if s.from == s.target {
		return answer{}, dropConflict
	}
	to, toMAC := s.from, s.mac
	if s.from.IsUnspecified() {
		to, toMAC = allNodes, multicastMAC(allNodes)
	}
	b, err := advertisement(mac, s.target, to, toMAC)
	if err != nil {
		return answer{}, dropMalformed
	}
	return answer{b, toMAC}, ""
}

// readSolicitation parses and validates (RFC 4861, 7.1.1).
func readSolicitation(frame []byte) (s solicitation, why drop) {
	if len(frame) < etherHeader+ip6Header || binary.BigEndian.Uint16(frame[12:]) != uint16(ethernet.EtherTypeIPv6) {
		return s, dropMalformed
	}
	ip := frame[etherHeader:]
	size := int(binary.BigEndian.Uint16(ip[4:]))
	if ip[0]>>4 != 6 || size < 24 || len(ip) < ip6Header+size {
		return s, dropMalformed
	}
	if ip[6] != protoICMPv6 {
		return s, dropNoRequest
	}
	s.from, s.to = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	body := ip[ip6Header : ip6Header+size]
	if ip[7] != ndp.HopLimit || body[1] != 0 || checksum(s.from, s.to, body) != 0 || s.from.IsMulticast() {
		return s, dropMalformed
	}
	m, err := ndp.ParseMessage(body)
	if err != nil {
		return s, dropMalformed
	}
	ns, ok := m.(*ndp.NeighborSolicitation)
	if !ok {
		return s, dropNoRequest
	}
	s.target, s.mac = ns.TargetAddress, net.HardwareAddr(bytes.Clone(frame[6:12]))
	return s, s.check(ns.Options)
}

// check looks at what the addresses and options say together.
func (s *solicitation) check(options []ndp.Option) drop {
	group, err := ndp.SolicitedNodeMulticast(s.target)
	if err != nil || s.target.IsMulticast() {
		return dropMalformed
	}
	dad := s.from.IsUnspecified()
	if s.to != group && (dad || s.to != s.target) {
		return dropMalformed
	}
	for _, o := range options {
		if lla, ok := o.(*ndp.LinkLayerAddress); ok && lla.Direction == ndp.Source {
			if dad {
				return dropMalformed
			}
			s.mac = lla.Addr
		}
	}
	if !unicast(s.mac) {
		return dropMalformed
	}
	return ""
}

// unsolicitedNA makes the announcement of addr (RFC 4861, 7.2.6).
func unsolicitedNA(mac net.HardwareAddr, addr netip.Addr) ([]answer, error) {
	to := multicastMAC(allNodes)
	b, err := advertisement(mac, addr, allNodes, to)
	if err != nil {
		return nil, err
	}
	return []answer{{b, to}}, nil
}

// advertisement makes the frame of a Neighbor Advertisement for addr, from
// addr, with the override flag; solicited unless it goes to all nodes.
func advertisement(mac net.HardwareAddr, addr, to netip.Addr, toMAC net.HardwareAddr) ([]byte, error) {
	na := &ndp.NeighborAdvertisement{
		Solicited: to != allNodes, Override: true, TargetAddress: addr,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac}},
	}
	body, err := ndp.MarshalMessageChecksum(na, addr, to)
	if err != nil {
		return nil, fmt.Errorf("make neighbor advertisement for %v: %w", addr, err)
	}
	ip := make([]byte, ip6Header, ip6Header+len(body))
	ip[0] = 6 << 4
	binary.BigEndian.PutUint16(ip[4:], uint16(len(body)))
	ip[6], ip[7] = protoICMPv6, ndp.HopLimit
	from16, to16 := addr.As16(), to.As16()
	copy(ip[8:], from16[:])
	copy(ip[24:], to16[:])
	return etherFrame(mac, toMAC, ethernet.EtherTypeIPv6, append(ip, body...))
}

// multicastMAC maps a group to its Ethernet address (RFC 2464, 7).
func multicastMAC(group netip.Addr) net.HardwareAddr {
	a := group.As16()
	return net.HardwareAddr{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// checksum is the ICMPv6 checksum (RFC 4443, 2.3) over body as it is: 0 if the
// checksum in it is right.
func checksum(from, to netip.Addr, body []byte) uint16 {
	f, t := from.As16(), to.As16()
	sum := uint32(len(body)) + protoICMPv6
	for _, b := range [][]byte{f[:], t[:], body} {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
