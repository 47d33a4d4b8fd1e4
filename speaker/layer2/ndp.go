package layer2

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

const (
	etherHeader = 14
	ip6Header   = 40
	protoICMPv6 = 58
)

var allNodes = netip.IPv6LinkLocalAllNodes()

// readNDP reads an Ethernet frame that should hold a Neighbor Solicitation
// (RFC 4861, 7.1.1), multicast or unicast, with or without a source link-layer
// option, or from somebody who checks for a duplicate (RFC 4862, 5.4), who is
// answered at all nodes; or a Neighbor Advertisement (7.1.2), by which others
// say what they have. The frame was received by station mac.
func readNDP(frame []byte, mac hardware) (q question, why drop) {
	if len(frame) < etherHeader+ip6Header || binary.BigEndian.Uint16(frame[12:]) != uint16(ethernet.EtherTypeIPv6) {
		return q, dropMalformed
	}
	ip := frame[etherHeader:]
	size := int(binary.BigEndian.Uint16(ip[4:]))
	if ip[0]>>4 != 6 || size < 24 || len(ip) < ip6Header+size {
		return q, dropMalformed
	}
	if ip[6] != protoICMPv6 {
		return q, dropNoRequest
	}
	from, to := netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	body := ip[ip6Header : ip6Header+size]
	if ip[7] != ndp.HopLimit || body[1] != 0 || checksum(from, to, body) != 0 || from.IsMulticast() {
		return q, dropMalformed
	}
	m, err := ndp.ParseMessage(body)
	if err != nil {
		return q, dropMalformed
	}
	q.from = hardware(frame[6:12])
	if q.from == mac {
		return q, dropOwn
	}
	switch m := m.(type) {
	case *ndp.NeighborSolicitation:
		why = q.readSolicitation(m, from, to)
	case *ndp.NeighborAdvertisement:
		why = q.readAdvertisement(m, to)
	default:
		return q, dropNoRequest
	}
	switch {
	case why == "" && q.from == mac:
		return q, dropOwn
	case why == "" && !q.from.unicast():
		return q, dropMalformed
	}
	return q, why
}

// readSolicitation takes from ns what it asks.
func (q *question) readSolicitation(ns *ndp.NeighborSolicitation, from, to netip.Addr) drop {
	group, err := ndp.SolicitedNodeMulticast(ns.TargetAddress)
	if err != nil || ns.TargetAddress.IsMulticast() {
		return dropMalformed
	}
	q.tries = from.IsUnspecified()
	if to != group && (q.tries || to != ns.TargetAddress) {
		return dropMalformed
	}
	if station, ok := linkLayer(ns.Options, ndp.Source); ok {
		if q.tries {
			return dropMalformed
		}
		q.from = station
	}
	q.target, q.back, q.backTo = ns.TargetAddress, from, q.from
	if q.tries {
		q.back, q.backTo = allNodes, multicastMAC(allNodes)
	} else {
		q.said = from
	}
	return ""
}

// readAdvertisement takes from na what its sender says it has.
func (q *question) readAdvertisement(na *ndp.NeighborAdvertisement, to netip.Addr) drop {
	if na.TargetAddress.IsMulticast() || to.IsMulticast() && na.Solicited {
		return dropMalformed
	}
	if station, ok := linkLayer(na.Options, ndp.Target); ok {
		q.from = station
	}
	q.said = na.TargetAddress
	return ""
}

// linkLayer finds the link-layer address among options.
func linkLayer(options []ndp.Option, which ndp.Direction) (hardware, bool) {
	for _, o := range options {
		if lla, ok := o.(*ndp.LinkLayerAddress); ok && lla.Direction == which && len(lla.Addr) == 6 {
			return hardware(lla.Addr), true
		}
	}
	return hardware{}, false
}

// unsolicitedNA makes the announcement of addr (RFC 4861, 7.2.6).
func unsolicitedNA(mac hardware, addr netip.Addr) ([]answer, error) {
	to := multicastMAC(allNodes)
	b, err := advertisement(mac, addr, allNodes, to)
	if err != nil {
		return nil, err
	}
	return []answer{{b, to[:]}}, nil
}

// advertisement makes the frame of a Neighbor Advertisement for addr, from
// addr, with the override flag; solicited unless it goes to all nodes.
func advertisement(mac hardware, addr, to netip.Addr, toMAC hardware) ([]byte, error) {
	na := &ndp.NeighborAdvertisement{
		Solicited: to != allNodes, Override: true, TargetAddress: addr,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac[:]}},
	}
	return ndpFrame(mac, na, addr, to, toMAC)
}

// probeNDP makes the solicitation that looks for a duplicate of addr (RFC 4862,
// 5.4.2).
func probeNDP(mac hardware, addr netip.Addr) (answer, error) {
	group, err := ndp.SolicitedNodeMulticast(addr)
	if err != nil {
		return answer{}, fmt.Errorf("find group: %w", err)
	}
	to := multicastMAC(group)
	b, err := ndpFrame(mac, &ndp.NeighborSolicitation{TargetAddress: addr}, netip.IPv6Unspecified(), group, to)
	return answer{b, to[:]}, err
}

func ndpFrame(mac hardware, m ndp.Message, from, to netip.Addr, toMAC hardware) ([]byte, error) {
	body, err := ndp.MarshalMessageChecksum(m, from, to)
	if err != nil {
		return nil, fmt.Errorf("make message of type %v: %w", m.Type(), err)
	}
	ip := make([]byte, ip6Header, ip6Header+len(body))
	ip[0] = 6 << 4
	binary.BigEndian.PutUint16(ip[4:], uint16(len(body)))
	ip[6], ip[7] = protoICMPv6, ndp.HopLimit
	from16, to16 := from.As16(), to.As16()
	copy(ip[8:], from16[:])
	copy(ip[24:], to16[:])
	return etherFrame(mac, toMAC[:], ethernet.EtherTypeIPv6, append(ip, body...))
}

// multicastMAC maps a group to its Ethernet address (RFC 2464, 7).
func multicastMAC(group netip.Addr) hardware {
	a := group.As16()
	return hardware{0x33, 0x33, a[12], a[13], a[14], a[15]}
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
