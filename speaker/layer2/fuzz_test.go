package layer2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

// Whatever comes in, nothing panics, and what was read is what is there.
func FuzzARP(f *testing.F) {
	seedARP(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		q, why := readARP(frame, hardware(ourMAC))
		if why != "" {
			return
		}
		if !q.from.unicast() || !bytes.Equal(q.from[:], frame[22:28]) || q.from == hardware(ourMAC) {
			t.Errorf("from %v: %x", q.from, frame)
		}
		if q.said.IsValid() && !bytes.Equal(q.said.AsSlice(), frame[28:32]) || q.tries == q.said.IsValid() {
			t.Errorf("says %v, tries %v: %x", q.said, q.tries, frame)
		}
		if q.target.IsValid() && (frame[21] != 1 || !bytes.Equal(q.target.AsSlice(), frame[38:42])) {
			t.Errorf("asks for %v: %x", q.target, frame)
		}
	})
}

func FuzzNDP(f *testing.F) {
	seedNDP(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		fixChecksum(frame) // else nearly no input gets past it
		q, why := readNDP(frame, hardware(ourMAC))
		if why != "" {
			return
		}
		if frame[21] != 255 || frame[54] != 135 && frame[54] != 136 || !q.from.unicast() || q.from == hardware(ourMAC) {
			t.Errorf("from %v: %x", q.from, frame)
		}
		if q.target.IsValid() && (frame[54] != 135 || !bytes.Equal(q.target.AsSlice(), frame[62:78])) {
			t.Errorf("asks for %v: %x", q.target, frame)
		}
		if q.target.IsValid() && q.tries == q.said.IsValid() {
			t.Errorf("says %v, tries %v: %x", q.said, q.tries, frame)
		}
	})
}

// An answer goes from us to one station (or, about a duplicate, to all nodes),
// and names only an address that was asked for and is ours, and that the sender
// does not say is his.
func FuzzAnswer(f *testing.F) {
	seedARP(f)
	seedNDP(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		read := readARP
		if len(frame) > 13 && binary.BigEndian.Uint16(frame[12:]) == etherIPv6 {
			read = readNDP
			fixChecksum(frame)
		}
		q, why := read(frame, hardware(ourMAC))
		if why != "" {
			return
		}
		s := here()
		a, addr, why := s.answer(q)
		switch {
		case why == dropConflict && !s.claims.owns(s.link, addr) && !s.probed.owns(s.link, addr):
			t.Errorf("conflict about %v: %x", addr, frame)
		case why != "":
			return
		}
		asked, told := frame[38:42], a.frame[28:32]
		if q.target.Is6() {
			asked, told = frame[62:78], a.frame[62:78]
		}
		target, _ := netip.AddrFromSlice(asked)
		all := bytes.Equal(a.to, []byte{0x33, 0x33, 0, 0, 0, 1}) && q.tries
		if !s.claims.owns(s.link, target) || !bytes.Equal(asked, told) || q.said == target ||
			!bytes.Equal(a.frame[:6], a.to) || !bytes.Equal(a.frame[6:12], ourMAC) || a.to[0]&1 != 0 && !all {
			t.Errorf("answer %x to %x", a.frame, frame)
		}
	})
}

func seedARP(f *testing.F) {
	for _, op := range []arp.Operation{arp.OperationRequest, arp.OperationReply, 3} {
		for _, from := range []string{"192.0.2.1", "192.0.2.100", "0.0.0.0"} {
			for _, target := range []string{"192.0.2.100", "192.0.2.50"} {
				f.Add(arpRequest(f, op, from, target, theirMAC, ethernet.Broadcast))
			}
		}
	}
	f.Add([]byte{})
}

func seedNDP(f *testing.F) {
	group, none := netip.MustParseAddr("ff02::1:ff00:100"), netip.IPv6Unspecified()
	f.Add(solicit(f, peer6, group, "2001:db8::100"))
	f.Add(solicit(f, peer6, group, "2001:db8::100", &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: memberMAC}))
	f.Add(solicit(f, peer6, netip.MustParseAddr("2001:db8::100"), "2001:db8::100"))
	f.Add(solicit(f, none, group, "2001:db8::100"))
	f.Add(solicit(f, none, netip.MustParseAddr("ff02::1:ff00:50"), "2001:db8::50"))
	f.Add(advertise(f, theirMAC, "2001:db8::100", allNodes))
	f.Add([]byte{})
}

func fixChecksum(frame []byte) {
	if len(frame) < etherHeader+ip6Header+24 {
		return
	}
	ip := frame[etherHeader:]
	size := int(ip[4])<<8 | int(ip[5])
	if size < 24 || len(ip) < ip6Header+size {
		return
	}
	body := ip[ip6Header : ip6Header+size]
	body[2], body[3] = 0, 0
	sum := checksum(netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40])), body)
	body[2], body[3] = byte(sum>>8), byte(sum)
}
