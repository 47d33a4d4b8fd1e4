package layer2

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

var (
	ourMAC   = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	theirMAC = net.HardwareAddr{2, 0, 0, 0, 0, 9}
	peer6    = netip.MustParseAddr("2001:db8::1")
)

func ownsVIPs(a netip.Addr) bool {
	return a == netip.MustParseAddr("192.0.2.100") || a == netip.MustParseAddr("2001:db8::100")
}

func arpRequest(t testing.TB, op arp.Operation, from, target string, mac, to net.HardwareAddr) []byte {
	t.Helper()
	f, err := arpFrame(op, mac, netip.MustParseAddr(from), make(net.HardwareAddr, 6), netip.MustParseAddr(target), to)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAnswerARP(t *testing.T) {
	tests := []struct {
		name  string
		frame []byte
		want  drop
	}{
		{"broadcast", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, ethernet.Broadcast), ""},
		{"unicast", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, ourMAC), ""},
		{"probe", arpRequest(t, arp.OperationRequest, "0.0.0.0", "192.0.2.100", theirMAC, ethernet.Broadcast), ""},
		{"other address", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.101", theirMAC, ethernet.Broadcast), dropNotOwned},
		{"other station", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, theirMAC), dropNoRequest},
		{"reply", arpRequest(t, arp.OperationReply, "192.0.2.1", "192.0.2.100", theirMAC, ourMAC), dropNoRequest},
		{"ours", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", ourMAC, ethernet.Broadcast), dropOwn},
		{"stranger has it", arpRequest(t, arp.OperationRequest, "192.0.2.100", "192.0.2.100", theirMAC, ethernet.Broadcast), dropConflict},
		{"multicast sender", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", ethernet.Broadcast, ourMAC), dropMalformed},
		{"short", make([]byte, 20), dropMalformed},
	}
	for _, tt := range tests {
		a, why := answerARP(tt.frame, ourMAC, ownsVIPs)
		if why != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.want)
		}
		if why == "" {
			checkARPReply(t, tt.name, a)
		}
	}
}

func checkARPReply(t *testing.T, name string, a answer) {
	t.Helper()
	var f ethernet.Frame
	var p arp.Packet
	if f.UnmarshalBinary(a.frame) != nil || p.UnmarshalBinary(f.Payload) != nil {
		t.Fatalf("%s: unreadable reply", name)
	}
	if p.Operation != arp.OperationReply || p.SenderIP.String() != "192.0.2.100" || p.SenderHardwareAddr.String() != ourMAC.String() ||
		f.Destination.String() != theirMAC.String() || a.to.String() != theirMAC.String() {
		t.Errorf("%s: reply %+v to %v", name, p, f.Destination)
	}
}

// solicit makes the frame of a Neighbor Solicitation.
func solicit(t testing.TB, from, to netip.Addr, target string, options ...ndp.Option) []byte {
	t.Helper()
	ns := &ndp.NeighborSolicitation{TargetAddress: netip.MustParseAddr(target), Options: options}
	body, err := ndp.MarshalMessageChecksum(ns, from, to)
	if err != nil {
		t.Fatal(err)
	}
	ip := make([]byte, ip6Header)
	ip[0], ip[5], ip[6], ip[7] = 0x60, byte(len(body)), protoICMPv6, ndp.HopLimit
	copy(ip[8:], from.AsSlice())
	copy(ip[24:], to.AsSlice())
	f, err := etherFrame(theirMAC, multicastMAC(to), ethernet.EtherTypeIPv6, append(ip, body...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAnswerNDP(t *testing.T) {
	vip, none := netip.MustParseAddr("2001:db8::100"), netip.IPv6Unspecified()
	group, err := ndp.SolicitedNodeMulticast(vip)
	if err != nil {
		t.Fatal(err)
	}
	lla := &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr{2, 0, 0, 0, 0, 7}}
	broken := func(at int, v byte) []byte {
		f := solicit(t, peer6, group, "2001:db8::100")
		f[at] = v
		return f
	}
	tests := []struct {
		name  string
		frame []byte
		want  drop
		to    string // destination MAC of the answer
	}{
		{"multicast", solicit(t, peer6, group, "2001:db8::100", lla), "", lla.Addr.String()},
		{"no option", solicit(t, peer6, group, "2001:db8::100"), "", theirMAC.String()},
		{"unicast probe", solicit(t, peer6, vip, "2001:db8::100"), "", theirMAC.String()},
		{"duplicate check", solicit(t, none, group, "2001:db8::100"), "", "33:33:00:00:00:01"},
		{"duplicate check with option", solicit(t, none, group, "2001:db8::100", lla), dropMalformed, ""},
		{"duplicate check by unicast", solicit(t, none, vip, "2001:db8::100"), dropMalformed, ""},
		{"to a third host", solicit(t, peer6, peer6, "2001:db8::100"), dropMalformed, ""},
		{"same group, other address", solicit(t, peer6, group, "2001:db8::1:0:100"), dropNotOwned, ""},
		{"stranger has it", solicit(t, vip, group, "2001:db8::100"), dropConflict, ""},
		{"routed", broken(21, 64), dropMalformed, ""},
		{"wrong checksum", broken(56, 0), dropMalformed, ""},
		{"another message", broken(20, 17), dropNoRequest, ""},
		{"short", make([]byte, 60), dropMalformed, ""},
	}
	for _, tt := range tests {
		a, why := answerNDP(tt.frame, ourMAC, ownsVIPs)
		if why != tt.want || a.to.String() != tt.to {
			t.Errorf("%s: %q to %q, want %q to %q", tt.name, why, a.to, tt.want, tt.to)
		}
		if why == "" {
			checkNA(t, tt.name, a, tt.name != "duplicate check")
		}
	}
}

func checkNA(t *testing.T, name string, a answer, solicited bool) {
	t.Helper()
	ip := a.frame[etherHeader:]
	from, to := netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	body := ip[ip6Header:]
	m, err := ndp.ParseMessage(body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	na, is := m.(*ndp.NeighborAdvertisement)
	if !is || na.Solicited != solicited || !na.Override || na.TargetAddress.String() != "2001:db8::100" || len(na.Options) != 1 ||
		checksum(from, to, body) != 0 || ip[7] != 255 || from != na.TargetAddress || (to == allNodes) == solicited {
		t.Errorf("%s: %v → %v: %+v", name, from, to, na)
	}
}

func TestUnsolicited(t *testing.T) {
	frames, err := unsolicitedNA(ourMAC, netip.MustParseAddr("2001:db8::100"))
	if err != nil || len(frames) != 1 {
		t.Fatalf("%v, %v", frames, err)
	}
	checkNA(t, "unsolicited", frames[0], false)
	frames, err = gratuitousARP(ourMAC, netip.MustParseAddr("192.0.2.100"))
	if err != nil || len(frames) != 2 {
		t.Fatalf("%v, %v", frames, err)
	}
	for i, op := range []arp.Operation{arp.OperationRequest, arp.OperationReply} {
		var p arp.Packet
		if err := p.UnmarshalBinary(frames[i].frame[etherHeader:]); err != nil || p.Operation != op || p.SenderIP != p.TargetIP {
			t.Errorf("form %d: %+v, %v", i, p, err)
		}
	}
}

func TestHeartbeat(t *testing.T) {
	h := heartbeat{limit: time.Second}
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	if h.fresh(at(1)) {
		t.Error("fresh before the first beat")
	}
	h.beat(at(10))
	if !h.fresh(at(1010)) || h.fresh(at(1011)) {
		t.Error("a beat lasts for the limit, and no longer")
	}
	h.beat(at(5000)) // frozen for five seconds
	if h.fresh(at(5001)) || h.fresh(at(5999)) {
		t.Error("fresh right after a gap")
	}
	h.beat(at(5900))
	if !h.fresh(at(6000)) {
		t.Error("silent although the gap is over")
	}
}

func TestSchedule(t *testing.T) {
	s, link := newSchedule(), linkKey{name: "eth0"}
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	set := func(addrs ...netip.Addr) claimSet {
		m := map[netip.Addr]struct{}{}
		for _, a := range addrs {
			m[a] = struct{}{}
		}
		return claimSet{link: m}
	}
	var sent []string
	run := func(from, to time.Duration) {
		for now := from; now < to; now += 100 * time.Millisecond {
			for _, t := range s.next(now) {
				sent = append(sent, now.String()+" "+t.addr.String())
			}
		}
	}
	s.set(set(a), time.Second)
	run(time.Second, 2500*time.Millisecond)
	s.set(set(b), 2500*time.Millisecond) // a is lost, b new
	run(2500*time.Millisecond, 4*time.Second)
	s.set(set(b), 4*time.Second) // nothing new
	run(4*time.Second, 20*time.Second)
	want := []string{"1s 192.0.2.1", "2s 192.0.2.1", "2.5s 192.0.2.2", "3.5s 192.0.2.2", "4.5s 192.0.2.2", "7.5s 192.0.2.2"}
	if len(sent) != len(want) {
		t.Fatalf("sent %q, want %q", sent, want)
	}
	for i := range want {
		if sent[i] != want[i] {
			t.Errorf("sent %q, want %q", sent, want)
		}
	}
	if w := s.wait(20*time.Second, time.Minute); w != time.Minute {
		t.Errorf("idle wait %v", w)
	}
}
