package layer2

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

var (
	ourMAC   = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	otherMAC = net.HardwareAddr{2, 0, 0, 0, 0, 2} // ours, too

	memberMAC = net.HardwareAddr{2, 0, 0, 0, 0, 3}
	theirMAC  = net.HardwareAddr{2, 0, 0, 0, 0, 9}
	peer6     = netip.MustParseAddr("2001:db8::1")
)

// here answers for two addresses and is about to take two others; one member
// is known.
func here() *site {
	link := linkKey{name: "eth0", index: 2, mac: hardware(ourMAC)}
	set := func(addrs ...string) claimSet {
		m := refreshes{}
		for _, a := range addrs {
			m[netip.MustParseAddr(a)] = 0
		}
		return claimSet{link: m}
	}
	return &site{link, set("192.0.2.100", "2001:db8::100"), set("192.0.2.50", "2001:db8::50"), &company{
		own: map[hardware]bool{{2, 0, 0, 0, 0, 2}: true}, members: map[hardware]bool{{2, 0, 0, 0, 0, 3}: true}, complete: true}}
}

func answerARP(frame []byte) (answer, drop) { return answerTo(readARP, frame) }
func answerNDP(frame []byte) (answer, drop) { return answerTo(readNDP, frame) }

func answerTo(read func([]byte, hardware) (question, drop), frame []byte) (answer, drop) {
	q, why := read(frame, hardware(ourMAC))
	if why != "" {
		return answer{}, why
	}
	a, _, why := here().answer(q)
	return a, why
}

func arpRequest(t testing.TB, op arp.Operation, from, target string, mac, to net.HardwareAddr) []byte {
	t.Helper()
	f, err := arpFrame(op, hardware(mac), netip.MustParseAddr(from), make(net.HardwareAddr, 6), netip.MustParseAddr(target), to)
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
		{"stranger has it, asks for another", arpRequest(t, arp.OperationRequest, "192.0.2.100", "192.0.2.7", theirMAC, ethernet.Broadcast), dropConflict},
		{"stranger says so to somebody", arpRequest(t, arp.OperationReply, "192.0.2.100", "192.0.2.1", theirMAC, ourMAC), dropConflict},
		{"member has it", arpRequest(t, arp.OperationRequest, "192.0.2.100", "192.0.2.100", memberMAC, ethernet.Broadcast), dropMember},
		{"our other interface has it", arpRequest(t, arp.OperationRequest, "192.0.2.100", "192.0.2.100", otherMAC, ethernet.Broadcast), dropOwn},
		{"stranger has what we want", arpRequest(t, arp.OperationReply, "192.0.2.50", "192.0.2.1", theirMAC, ourMAC), dropConflict},
		{"stranger wants what we want", arpRequest(t, arp.OperationRequest, "0.0.0.0", "192.0.2.50", theirMAC, ethernet.Broadcast), dropConflict},
		{"member wants what we want", arpRequest(t, arp.OperationRequest, "0.0.0.0", "192.0.2.50", memberMAC, ethernet.Broadcast), dropMember},
		{"somebody asks for what we want", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.50", theirMAC, ethernet.Broadcast), dropNotOwned},
		{"another operation", arpRequest(t, 8, "192.0.2.1", "192.0.2.100", theirMAC, ethernet.Broadcast), dropNoRequest},
		{"no sender", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", make(net.HardwareAddr, 6), ethernet.Broadcast), dropMalformed},
		{"VLAN tag", tagged(arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", theirMAC, ethernet.Broadcast)), dropMalformed},
		{"multicast sender", arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", ethernet.Broadcast, ourMAC), dropMalformed},
		{"short", make([]byte, 20), dropMalformed},
	}
	for _, tt := range tests {
		a, why := answerARP(tt.frame)
		if why != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.want)
		}
		if why == "" {
			checkARPReply(t, tt.name, a)
		}
	}
}

// tagged puts frame into VLAN 5.
func tagged(frame []byte) []byte {
	return slices.Concat(frame[:12], []byte{0x81, 0, 0, 5}, frame[12:])
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
	f, err := etherFrame(hardware(theirMAC), net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, ethernet.EtherTypeIPv6, append(ip, body...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// advertise makes the frame of somebody's Neighbor Advertisement.
func advertise(t testing.TB, mac net.HardwareAddr, target string, to netip.Addr) []byte {
	t.Helper()
	b, err := advertisement(hardware(mac), netip.MustParseAddr(target), to, hardware(ourMAC))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswerNDP(t *testing.T) {
	vip, none := netip.MustParseAddr("2001:db8::100"), netip.IPv6Unspecified()
	group, err := ndp.SolicitedNodeMulticast(vip)
	if err != nil {
		t.Fatal(err)
	}
	lla := &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr{2, 0, 0, 0, 0, 7}}
	noMAC := &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: make(net.HardwareAddr, 6)}
	group1MAC := &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}}
	group50 := netip.MustParseAddr("ff02::1:ff00:50")
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
		{"member has it", advertise(t, memberMAC, "2001:db8::100", allNodes), dropMember, ""},
		{"stranger advertises it", advertise(t, theirMAC, "2001:db8::100", allNodes), dropConflict, ""},
		{"stranger has what we want", advertise(t, theirMAC, "2001:db8::50", peer6), dropConflict, ""},
		{"stranger wants what we want", solicit(t, none, group50, "2001:db8::50"), dropConflict, ""},
		{"somebody asks for what we want", solicit(t, peer6, group50, "2001:db8::50"), dropNotOwned, ""},
		{"other's advertisement", advertise(t, theirMAC, "2001:db8::7", allNodes), dropNoRequest, ""},
		{"ours", advertise(t, ourMAC, "2001:db8::100", allNodes), dropOwn, ""},
		{"no sender", solicit(t, peer6, group, "2001:db8::100", noMAC), dropMalformed, ""},
		{"multicast sender", solicit(t, peer6, group, "2001:db8::100", group1MAC), dropMalformed, ""},
		{"multicast source", solicit(t, allNodes, group, "2001:db8::100"), dropMalformed, ""},
		{"VLAN tag", tagged(solicit(t, peer6, group, "2001:db8::100")), dropMalformed, ""},
		{"routed", broken(21, 64), dropMalformed, ""},
		{"too short, by its header", broken(19, 23), dropMalformed, ""},
		{"too long, by its header", broken(18, 9), dropMalformed, ""},
		{"wrong checksum", broken(56, 0), dropMalformed, ""},
		{"another message", broken(20, 17), dropNoRequest, ""},
		{"short", make([]byte, 60), dropMalformed, ""},
	}
	for _, tt := range tests {
		a, why := answerNDP(tt.frame)
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
		na.Router || checksum(from, to, body) != 0 || ip[7] != 255 || from != na.TargetAddress || (to == allNodes) == solicited {
		t.Errorf("%s: %v → %v: %+v", name, from, to, na)
	}
}

func TestUnsolicited(t *testing.T) {
	frames, err := unsolicitedNA(hardware(ourMAC), netip.MustParseAddr("2001:db8::100"))
	if err != nil || len(frames) != 1 {
		t.Fatalf("%v, %v", frames, err)
	}
	checkNA(t, "unsolicited", frames[0], false)
	frames, err = gratuitousARP(hardware(ourMAC), netip.MustParseAddr("192.0.2.100"))
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
