package layer2

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

// Whatever comes in, nothing panics, and an answer names only an address that
// was asked for and is ours.
func FuzzARP(f *testing.F) {
	f.Add(arpRequest(f, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, ethernet.Broadcast))
	f.Add(arpRequest(f, arp.OperationReply, "192.0.2.1", "192.0.2.100", theirMAC, ourMAC))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		a, why := answerARP(frame, ourMAC, ownsVIPs)
		if why != "" {
			return
		}
		if len(a.frame) < 60 || !bytes.Equal(a.frame[28:32], frame[38:42]) || !bytes.Equal(a.frame[6:12], ourMAC) || a.to[0]&1 != 0 {
			t.Errorf("answer %x to %x", a.frame, frame)
		}
	})
}

func FuzzNDP(f *testing.F) {
	group := netip.MustParseAddr("ff02::1:ff00:100")
	f.Add(solicit(f, peer6, group, "2001:db8::100"))
	f.Add(solicit(f, netip.IPv6Unspecified(), group, "2001:db8::100"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		fixChecksum(frame) // else nearly no input gets past it
		a, why := answerNDP(frame, ourMAC, ownsVIPs)
		if why != "" {
			return
		}
		if !bytes.Equal(a.frame[22:38], frame[62:78]) || !bytes.Equal(a.frame[6:12], ourMAC) {
			t.Errorf("answer %x to %x", a.frame, frame)
		}
	})
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
