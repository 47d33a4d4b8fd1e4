package layer2

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

// readARP reads an Ethernet frame that should hold an ARP packet (RFC 826),
// probes and announcements (RFC 5227) included, received by station mac.
func readARP(frame []byte, mac hardware) (q question, why drop) {
	var f ethernet.Frame
	if f.UnmarshalBinary(frame) != nil || f.EtherType != ethernet.EtherTypeARP || f.VLAN != nil {
		return q, dropMalformed
	}
	var p arp.Packet
	if p.UnmarshalBinary(f.Payload) != nil || p.HardwareType != 1 || p.ProtocolType != uint16(ethernet.EtherTypeIPv4) ||
		p.HardwareAddrLength != 6 || p.IPLength != 4 {
		return q, dropMalformed
	}
	q.from = hardware(p.SenderHardwareAddr)
	if q.from == mac || bytes.Equal(f.Source, mac[:]) {
		return q, dropOwn
	}
	if !q.from.unicast() {
		return q, dropMalformed
	}
	if p.Operation != arp.OperationRequest && p.Operation != arp.OperationReply {
		return q, dropNoRequest
	}
	q.tries = p.SenderIP.IsUnspecified()
	if !q.tries {
		q.said = p.SenderIP
	}
	if p.Operation == arp.OperationRequest && (bytes.Equal(f.Destination, mac[:]) || bytes.Equal(f.Destination, ethernet.Broadcast)) {
		q.target, q.back, q.backTo = p.TargetIP, p.SenderIP, q.from
	}
	return q, ""
}

// replyARP makes the reply that tells back, at backTo, that addr is at mac.
func replyARP(mac hardware, addr, back netip.Addr, backTo hardware) ([]byte, error) {
	return arpFrame(arp.OperationReply, mac, addr, backTo[:], back, backTo[:])
}

// gratuitousARP makes the announcements of addr (RFC 5227, 3): as request and
// as reply, because some neighbours heed only one of them.
func gratuitousARP(mac hardware, addr netip.Addr) ([]answer, error) {
	request, err := arpFrame(arp.OperationRequest, mac, addr, make(net.HardwareAddr, 6), addr, ethernet.Broadcast)
	if err != nil {
		return nil, err
	}
	reply, err := arpFrame(arp.OperationReply, mac, addr, ethernet.Broadcast, addr, ethernet.Broadcast)
	if err != nil {
		return nil, err
	}
	return []answer{{request, ethernet.Broadcast}, {reply, ethernet.Broadcast}}, nil
}

// probeARP makes an ARP Probe (RFC 5227, 2.1.1): it comes from no address, so
// that it changes nobody's cache.
func probeARP(mac hardware, addr netip.Addr) (answer, error) {
	b, err := arpFrame(arp.OperationRequest, mac, netip.IPv4Unspecified(), make(net.HardwareAddr, 6), addr, ethernet.Broadcast)
	return answer{b, ethernet.Broadcast}, err
}

func arpFrame(op arp.Operation, mac hardware, ip netip.Addr, targetMAC net.HardwareAddr, target netip.Addr, to net.HardwareAddr) ([]byte, error) {
	p, err := arp.NewPacket(op, mac[:], ip, targetMAC, target)
	if err != nil {
		return nil, fmt.Errorf("make ARP packet for %v: %w", ip, err)
	}
	body, err := p.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("make ARP packet for %v: %w", ip, err)
	}
	return etherFrame(mac, to, ethernet.EtherTypeARP, body)
}

func etherFrame(from hardware, to net.HardwareAddr, typ ethernet.EtherType, body []byte) ([]byte, error) {
	f := ethernet.Frame{Source: from[:], Destination: to, EtherType: typ, Payload: body}
	b, err := f.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("make Ethernet frame: %w", err)
	}
	return b, nil
}
