package layer2

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

// drop is why a frame was not answered; "" is none.
type drop string

const (
	dropMalformed  drop = "malformed"  // cannot be parsed, or breaks a rule of its RFC
	dropNoRequest  drop = "noRequest"  // well formed, but nothing to answer
	dropNotOwned   drop = "notOwned"   // asks for an address that is not claimed here
	dropOwn        drop = "own"        // our own frame, come back
	dropConflict   drop = "conflict"   // somebody else says that an address of ours is his
	dropSilent     drop = "silent"     // no recent heartbeat
	dropSendFailed drop = "sendFailed" // the reply could not be sent
)

var drops = []drop{dropMalformed, dropNoRequest, dropNotOwned, dropOwn, dropConflict, dropSilent, dropSendFailed}

// answer is a frame to send.
type answer struct {
	frame []byte
	to    net.HardwareAddr
}

// answerARP reads an Ethernet frame and makes the reply to an ARP request
// (RFC 826) for an address that owns says is ours, probes (RFC 5227) included.
func answerARP(frame []byte, mac net.HardwareAddr, owns func(netip.Addr) bool) (answer, drop) {
	var f ethernet.Frame
	if f.UnmarshalBinary(frame) != nil || f.EtherType != ethernet.EtherTypeARP || f.VLAN != nil {
		return answer{}, dropMalformed
	}
	var req arp.Packet
	if req.UnmarshalBinary(f.Payload) != nil || req.HardwareType != 1 || req.ProtocolType != uint16(ethernet.EtherTypeIPv4) ||
		req.HardwareAddrLength != 6 || req.IPLength != 4 || !unicast(req.SenderHardwareAddr) {
		return answer{}, dropMalformed
	}
	if bytes.Equal(f.Source, mac) || bytes.Equal(req.SenderHardwareAddr, mac) {
		return answer{}, dropOwn
	}
	if owns(req.SenderIP) {
		return answer{}, dropConflict
	}
	if req.Operation != arp.OperationRequest {
		return answer{}, dropNoRequest
	}
	if !bytes.Equal(f.Destination, mac) && !bytes.Equal(f.Destination, ethernet.Broadcast) {
		return answer{}, dropNoRequest
	}
	if !owns(req.TargetIP) {
		return answer{}, dropNotOwned
	}
	reply, err := arpFrame(arp.OperationReply, mac, req.TargetIP, req.SenderHardwareAddr, req.SenderIP, req.SenderHardwareAddr)
	if err != nil {
		return answer{}, dropMalformed
	}
	return answer{reply, req.SenderHardwareAddr}, ""
}

// gratuitousARP makes the announcements of addr (RFC 5227, 3): as request and
// as reply, because some neighbours heed only one of them.
func gratuitousARP(mac net.HardwareAddr, addr netip.Addr) ([]answer, error) {
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

func arpFrame(op arp.Operation, mac net.HardwareAddr, ip netip.Addr, targetMAC net.HardwareAddr, target netip.Addr, to net.HardwareAddr) ([]byte, error) {
	p, err := arp.NewPacket(op, mac, ip, targetMAC, target)
	if err != nil {
		return nil, fmt.Errorf("make ARP packet for %v: %w", ip, err)
	}
	body, err := p.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("make ARP packet for %v: %w", ip, err)
	}
	return etherFrame(mac, to, ethernet.EtherTypeARP, body)
}

func etherFrame(from, to net.HardwareAddr, typ ethernet.EtherType, body []byte) ([]byte, error) {
	f := ethernet.Frame{Source: from, Destination: to, EtherType: typ, Payload: body}
	b, err := f.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("make Ethernet frame: %w", err)
	}
	return b, nil
}

// unicast tells whether mac can be one station's address.
func unicast(mac net.HardwareAddr) bool {
	return len(mac) == 6 && mac[0]&1 == 0 && !bytes.Equal(mac, make([]byte, 6))
}
