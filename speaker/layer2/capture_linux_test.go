package layer2

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// capture is what passes a box's link, both ways.
type capture struct {
	mu     sync.Mutex
	frames [][]byte
}

// wire opens a packet socket on the box's link that takes everything.
func (b *box) wire() *packet.Conn {
	b.t.Helper()
	l, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	var c *packet.Conn
	ok(b.t, inside(b.ns, func() (err error) {
		ifi := &net.Interface{Name: b.link, Index: l.Attrs().Index, HardwareAddr: l.Attrs().HardwareAddr}
		c, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
		return err
	}))
	b.t.Cleanup(func() { c.Close() })
	raw, err := c.SyscallConn()
	ok(b.t, err)
	ok(b.t, raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) }))
	return c
}

// capture begins to record.
func (b *box) capture() *capture {
	b.t.Helper()
	conn, c, done := b.wire(), &capture{}, make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			c.mu.Lock()
			c.frames = append(c.frames, bytes.Clone(buf[:n]))
			c.mu.Unlock()
		}
	}()
	b.t.Cleanup(func() { conn.Close(); <-done })
	return c
}

// inject sends frames as they are.
func (b *box) inject(frames ...[]byte) {
	b.t.Helper()
	conn := b.wire()
	defer conn.Close()
	for _, f := range frames {
		_, err := conn.WriteTo(f, &packet.Addr{HardwareAddr: f[:6]})
		ok(b.t, err)
	}
}

// said is a message about an address, as a capture shows it.
type said struct {
	kind   string // "probe", "request", "reply", "announce request", "announce reply", "solicit", "na" with its flags
	to     string // hardware address
	target netip.Addr
}

// from counts the messages of a station.
func (c *capture) from(t *testing.T, mac string) map[said]int {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[said]int{}
	for _, b := range c.frames {
		var f ethernet.Frame
		if f.UnmarshalBinary(b) != nil || f.Source.String() != mac {
			continue
		}
		switch f.EtherType {
		case ethernet.EtherTypeARP:
			out[readSaidARP(t, &f, mac)]++
		case ethernet.EtherTypeIPv6:
			if s, ok := readSaidNDP(t, &f, mac); ok {
				out[s]++
			}
		}
	}
	return out
}

func readSaidARP(t *testing.T, f *ethernet.Frame, mac string) said {
	t.Helper()
	var p arp.Packet
	if err := p.UnmarshalBinary(f.Payload); err != nil || p.SenderHardwareAddr.String() != mac {
		t.Errorf("ARP packet %x: %v", f.Payload, err)
	}
	s := said{kind: "request", to: f.Destination.String(), target: p.TargetIP}
	switch {
	case p.SenderIP.IsUnspecified():
		s.kind = "probe"
	case p.Operation == arp.OperationReply && p.SenderIP == p.TargetIP:
		s.kind = "announce reply"
	case p.SenderIP == p.TargetIP:
		s.kind = "announce request"
	case p.Operation == arp.OperationReply:
		s.kind, s.target = "reply", p.SenderIP
	}
	return s
}

func readSaidNDP(t *testing.T, f *ethernet.Frame, mac string) (said, bool) {
	t.Helper()
	ip := f.Payload
	if len(ip) < ip6Header+24 || ip[6] != protoICMPv6 || ip[40] != 135 && ip[40] != 136 {
		return said{}, false
	}
	from, to := netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	body := ip[ip6Header : ip6Header+int(ip[4])<<8+int(ip[5])]
	m, err := ndp.ParseMessage(body)
	if err != nil || ip[7] != 255 || checksum(from, to, body) != 0 {
		t.Errorf("message %x: %v", ip, err)
		return said{}, false
	}
	if ns, is := m.(*ndp.NeighborSolicitation); is {
		kind := "solicit"
		if from.IsUnspecified() {
			kind = "probe"
		}
		if group, err := ndp.SolicitedNodeMulticast(ns.TargetAddress); kind == "probe" && (err != nil || to != group || len(ns.Options) > 1) {
			t.Errorf("probe %+v to %v", ns, to)
		}
		return said{kind, f.Destination.String(), ns.TargetAddress}, true
	}
	na := m.(*ndp.NeighborAdvertisement)
	s := said{kind: "na ", to: f.Destination.String(), target: na.TargetAddress}
	for flag, set := range map[string]bool{"R": na.Router, "S": na.Solicited} {
		if set {
			s.kind += flag
		}
	}
	if na.Override {
		s.kind += "O"
	}
	if na.TargetAddress.IsLinkLocalUnicast() {
		return s, true // the kernel's own
	}
	if station, has := linkLayer(na.Options, ndp.Target); !has || station.String() != mac || (to == allNodes) == na.Solicited {
		t.Errorf("advertisement %+v to %v", na, to)
	}
	return s, true
}

// waitSaid waits until station mac has said each of want so often, exactly.
func (c *capture) waitSaid(t *testing.T, mac string, want map[said]int) {
	t.Helper()
	equal := func(got map[said]int) bool {
		for s, n := range want {
			if got[s] != n {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(8 * time.Second); !equal(c.from(t, mac)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s said %v\nwant %v", mac, c.from(t, mac), want)
		}
	}
}
