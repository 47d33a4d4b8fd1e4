package bfd

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// stranger sends what the test wants from an address of the lab's router.
type stranger struct {
	t    *testing.T
	conn *net.UDPConn
}

func (l *lab) stranger(from, to string, port int, ttl int) *stranger {
	l.t.Helper()
	s := &stranger{t: l.t}
	testlab.In(l.t, l.router, func() (err error) {
		s.conn, err = net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, &net.UDPAddr{IP: net.ParseIP(to), Port: port})
		if err != nil {
			return err
		}
		raw, err := s.conn.SyscallConn()
		if err != nil {
			return err
		}
		return raw.Control(func(fd uintptr) {
			level, option := unix.IPPROTO_IP, unix.IP_TTL
			if strings.Contains(to, ":") {
				level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
			}
			if err := unix.SetsockoptInt(int(fd), level, option, ttl); err != nil {
				l.t.Error(err)
			}
		})
	})
	l.t.Cleanup(func() { s.conn.Close() })
	return s
}

func (s *stranger) send(b []byte) {
	s.t.Helper()
	for range 2 { // the first may be told that nobody listened before
		if _, err := s.conn.Write(b); err == nil {
			return
		}
	}
}

// hello is the first packet of a peer.
var hello = packet.Packet{State: packet.Down, Multiplier: 3, Mine: 4711, MinTx: time.Second, MinRx: time.Second}

// TestWhatIsNoPacketOfThePeer: each is counted by its reason and moves nothing.
func TestWhatIsNoPacketOfThePeer(t *testing.T) {
	l := newLab(t)
	testlab.In(t, l.router, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IP{10, 9, 0, 2}, Mask: net.CIDRMask(24, 32)}})
	})
	n := run(t, l.node, usual(router4), usual(router6), usual(far4))
	testlab.Eventually(t, 5*time.Second, "three sessions", func() bool { return len(n.statuses()) == 3 && n.only().Sent > 0 })
	guessed := hello
	guessed.Yours = n.only().Mine
	unknown := hello
	unknown.Yours = guessed.Yours ^ 1
	// What comes from the peer's own address at the wrong port, or from another
	// address with the right discriminator, is not the peer's.
	for _, c := range []struct {
		name string
		from *stranger
		b    []byte
		want packet.Discard
	}{
		{"TTL 254", l.stranger(router4, node4, singleHopPort, 254), hello.Append(nil, packet.Key{}), packet.BadTTL},
		{"hop limit 64", l.stranger(router6, node6, singleHopPort, 64), hello.Append(nil, packet.Key{}), packet.BadTTL},
		{"no peer of ours", l.stranger("10.9.0.2", node4, singleHopPort, 255), hello.Append(nil, packet.Key{}), packet.NoSession},
		{"a guessed discriminator", l.stranger("10.9.0.2", node4, singleHopPort, 255), guessed.Append(nil, packet.Key{}), packet.WrongPath},
		{"a guessed discriminator at the port of multihop", l.stranger(router4, node4, multiHopPort, 255), guessed.Append(nil, packet.Key{}), packet.WrongPath},
		{"a guessed discriminator over the other family", l.stranger(router6, node6, singleHopPort, 255), guessed.Append(nil, packet.Key{}), packet.WrongPath},
		{"a discriminator of nobody", l.stranger(router4, node4, singleHopPort, 255), unknown.Append(nil, packet.Key{}), packet.UnknownSession},
		{"authenticated", l.stranger(router4, node4, singleHopPort, 255), hello.Append(nil, packet.Key{Type: packet.AuthSHA1, Secret: "x"}), packet.UnexpectedAuth},
		{"garbage", l.stranger(router4, node4, singleHopPort, 255), []byte(strings.Repeat("garbage", 300)), packet.BadVersion},
		{"nothing", l.stranger(router4, node4, singleHopPort, 255), nil, packet.Short},
	} {
		before := n.discarded(c.want)
		c.from.send(c.b)
		testlab.Eventually(t, 5*time.Second, fmt.Sprintf("%s is counted as %v", c.name, c.want), func() bool { return n.discarded(c.want) > before })
	}
	for _, s := range n.statuses() {
		if s.State != packet.Down || s.Received != 0 || s.Yours != 0 {
			t.Errorf("moved: %+v", s)
		}
	}
	l.stranger(router4, node4, singleHopPort, 255).send(hello.Append(nil, packet.Key{}))
	testlab.Eventually(t, 5*time.Second, "the peer itself is heard", func() bool { return n.only().State == packet.Init && n.only().Yours == 4711 })
}

// TestAFloodKeepsNothingOff: of others' packets, as fast as one process can.
func TestAFloodKeepsNothingOff(t *testing.T) {
	l := newLab(t)
	n, peer := run(t, l.node, usual(router4)), run(t, l.router, usual(node4))
	n.waitUp(1)
	peer.waitUp(1)
	s := l.stranger(router6, node6, singleHopPort, 255)
	s4 := l.stranger(router4, node4, singleHopPort, 64)
	b := hello.Append(nil, packet.Key{})
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		for range 100 {
			s.send(b)
			s4.send(b)
		}
		time.Sleep(ms)
	}
	if n.discarded(packet.BadTTL) < 1000 {
		t.Error("that was no flood")
	}
	if d := append(n.downs(), peer.downs()...); len(d) > 0 {
		t.Errorf("fell: %+v", d)
	}
}

// TestHundredsOfSessions: one engine with two hundred at each end.
func TestHundredsOfSessions(t *testing.T) {
	const count = 200
	l := newLab(t)
	var ours, theirs []Session
	for i := range count {
		a, b := netip.AddrFrom4([4]byte{10, 20, 0, byte(i + 1)}), netip.AddrFrom4([4]byte{10, 21, 0, byte(i + 1)})
		one, other := usual(router4), usual(node4)
		one.Path, other.Path = Path{Peer: b, Local: a}, Path{Peer: a, Local: b}
		ours, theirs = append(ours, one), append(theirs, other)
	}
	for ns, sessions := range map[netns.NsHandle][]Session{l.node: ours, l.router: theirs} {
		route(t, ns, map[netns.NsHandle]string{l.node: router4, l.router: node4}[ns])
		testlab.In(t, ns, func() error {
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			for _, s := range sessions {
				if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: &net.IPNet{IP: s.Local.AsSlice(), Mask: net.CIDRMask(32, 32)}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	a, b := run(t, l.node, ours...), run(t, l.router, theirs...)
	a.waitUp(count)
	b.waitUp(count)
	time.Sleep(3 * time.Second)
	if d := append(a.downs(), b.downs()...); len(d) > 0 {
		t.Errorf("%d fell, the first: %+v", len(d), d[0])
	}
	ports := map[uint16]bool{}
	for _, s := range a.statuses() {
		ports[s.Source.Port()] = true
		if s.Source.Addr() != s.Local {
			t.Errorf("%s sends from %v", s.Name(), s.Source)
		}
	}
	if len(ports) != count {
		t.Errorf("%d source ports", len(ports))
	}
	b.end() // all at once
	testlab.Eventually(t, 10*time.Second, "all are down", func() bool { return len(a.downs()) == count })
}

// TestSessionsThatCannotBe are seen with what is wrong, and disturb no other.
func TestSessionsThatCannotBe(t *testing.T) {
	l := newLab(t)
	short, away, wrong, missing := usual(router6), usual(router4), usual(routerLL), usual(routerLL)
	short.MinTx = 10 * ms
	away.Local = netip.MustParseAddr("10.99.0.1")
	missing.Interface = "eth7"
	wrong.Interface = ""
	n, peer := run(t, l.node, usual(router4), short, usual(router4), away, missing, wrong), run(t, l.router, usual(node4))
	peer.waitUp(1)
	want := []string{"", "cannot assign", "interface eth7", "transmit interval 10ms", "another session with this path", "name the interface"}
	testlab.Eventually(t, 5*time.Second, "six sessions", func() bool { return len(n.statuses()) == 6 && n.statuses()[1].Problem != "" })
	for i, s := range n.statuses() {
		if !strings.Contains(s.Problem, want[i]) || want[i] == "" && s.Problem != "" {
			t.Errorf("%s: %q, want %q", s.Name(), s.Problem, want[i])
		}
	}
}

// TestTheInterfaceComesBack as another: even one that waits to be spoken to
// finds it, and one that is in a VRF, whose listener is bound to it too.
func TestTheInterfaceComesBack(t *testing.T) {
	passive, inVRF := usual(routerLL), usual(router4)
	passive.Passive, inVRF.VRF = true, "eth0" // to a socket a VRF is a device like others
	for name, c := range map[string]struct{ ours, theirs Session }{
		"interface": {passive, usual(nodeLL)}, "VRF": {inVRF, usual(node4)},
	} {
		t.Run(name, func(t *testing.T) { comesBack(t, c.ours, c.theirs) })
	}
}

func comesBack(t *testing.T, ours, theirs Session) {
	l := newLab(t)
	n := run(t, l.node, ours)
	for range 2 {
		peer := run(t, l.router, theirs)
		n.waitUp(1)
		peer.end()
		testlab.In(t, l.node, func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return netlink.LinkDel(link)
		})
		testlab.Eventually(t, 10*time.Second, "the loss is told", func() bool {
			return n.only().State == packet.Down && strings.Contains(n.only().Problem, "eth0")
		})
		link(t, l.node, "other", l.router, "unused") // so that the next has another number
		testlab.In(t, l.node, func() error {
			link, err := netlink.LinkByName("other")
			if err != nil {
				return err
			}
			return netlink.LinkDel(link)
		})
		link(t, l.node, "eth0", l.router, "eth0")
		address(t, l.node, "eth0", nodeLL, node4)
		address(t, l.router, "eth0", routerLL, router4)
	}
}

// TestForgedErrorsSilenceNothing: an ICMP error is not told of its way, so that
// anybody can forge one, from anywhere, who guesses the source port.
func TestForgedErrorsSilenceNothing(t *testing.T) {
	l := newLab(t)
	n, peer := run(t, l.node, usual(router4), usual(router6)), run(t, l.router, usual(node4), usual(node6))
	n.waitUp(2)
	peer.waitUp(2)
	before := n.statuses()
	for range 10 {
		for _, s := range before {
			l.forge(s.Source, netip.AddrPortFrom(s.Peer, singleHopPort))
		}
		time.Sleep(150 * ms)
	}
	for i, s := range n.statuses() {
		if s.Source != before[i].Source || s.Problem != "" {
			t.Errorf("another socket: %+v", s)
		}
	}
	if d := append(n.downs(), peer.downs()...); len(d) > 0 {
		t.Errorf("fell: %+v", d)
	}
}

// forge tells the node that its packets from and to these are prohibited, which
// the kernel takes for an error of the socket.
func (l *lab) forge(from, to netip.AddrPort) {
	l.t.Helper()
	udp := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from.Port()), to.Port())
	udp = append(udp, 0, 32, 0, 0)
	network, about := "ip4:icmp", append([]byte{0x45, 0, 0, 52, 0, 0, 0, 0, 255, unix.IPPROTO_UDP, 0, 0}, from.Addr().AsSlice()...)
	head := []byte{3, 13, 0, 0, 0, 0, 0, 0} // communication administratively prohibited
	if from.Addr().Is6() {
		network, about = "ip6:ipv6-icmp", append([]byte{0x60, 0, 0, 0, 0, 32, unix.IPPROTO_UDP, 255}, from.Addr().AsSlice()...)
		head[0], head[1] = 1, 1
	}
	b := slices.Concat(head, about, to.Addr().AsSlice(), udp)
	if from.Addr().Is4() { // the kernel itself sums up ICMPv6
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	testlab.In(l.t, l.router, func() error {
		conn, err := net.Dial(network, from.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(b)
		return err
	})
}

// checksum is that of the Internet (RFC 1071), of an even number of bytes.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// TestAPortThatIsTaken is said, and taken over when it is free.
func TestAPortThatIsTaken(t *testing.T) {
	l := newLab(t)
	first := run(t, l.node, usual(router4))
	run(t, l.router, usual(node4))
	first.waitUp(1)
	second := run(t, l.node, usual(router4))
	testlab.Eventually(t, 5*time.Second, "the reason", func() bool { return strings.Contains(second.only().Problem, "UDP port 3784") })
	first.end()
	second.waitUp(1)
	if p := second.only().Problem; p != "" {
		t.Error(p)
	}
}

// TestWantedAgain: a session that is leaving is begun anew.
func TestWantedAgain(t *testing.T) {
	l := newLab(t)
	n, peer := run(t, l.node, usual(router4)), run(t, l.router, usual(node4))
	n.waitUp(1)
	n.engine.Apply(nil)
	testlab.Eventually(t, 5*time.Second, "leaving", func() bool { return n.only().Leaving })
	testlab.Eventually(t, 5*time.Second, "the peer is told", func() bool {
		d := peer.downs()
		return len(d) > 0 && d[0].Remote == packet.AdminDown
	})
	n.engine.Apply([]Session{usual(router4)})
	n.waitUp(1)
	if up := n.metric("steelyard_bfd_session_up", router4); up != 1 {
		t.Errorf("session_up is %v", up)
	}
	n.engine.Apply(nil)
	testlab.Eventually(t, 10*time.Second, "gone", func() bool { return len(n.statuses()) == 0 })
	if out := n.metric("steelyard_bfd_control_packet_output", router4); out != 0 {
		t.Error("series of a session that is gone")
	}
}

func TestNamesOfPaths(t *testing.T) {
	a, ll, m := netip.MustParseAddr(router4), netip.MustParseAddr(routerLL), netip.MustParseAddr("224.0.0.1")
	for want, p := range map[string]Path{
		"10.9.0.1":                  {Peer: a},
		"10.9.0.1 multihop":         {Peer: a, MultiHop: true},
		"fe80::1%eth0":              {Peer: ll, Interface: "eth0"},
		"10.9.0.1 from 10.9.0.1":    {Peer: a, Local: a},
		"10.9.0.1 in red":           {Peer: a, VRF: "red"},
		"10.9.0.1%eth0 in red":      {Peer: a, Interface: "eth0", VRF: "red"},
		"fe80::1%eth0 from fe80::1": {Peer: ll, Local: ll, Interface: "eth0"},
	} {
		if got := p.Name(); got != want || p.Check() != nil {
			t.Errorf("%q, want %q: %v", got, want, p.Check())
		}
	}
	for want, p := range map[string]Path{
		"no address of a router":  {Peer: m},
		"invalid IP":              {},
		"different families":      {Peer: a, Local: ll},
		"several hops away":       {Peer: ll, MultiHop: true},
		"not bound":               {Peer: a, MultiHop: true, Interface: "eth0"},
		"name the interface that": {Peer: ll},
		"apart from":              {Peer: ll.WithZone("eth0")},
		"as such":                 {Peer: netip.MustParseAddr("::ffff:10.9.0.1")},
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestMergedUpdates(t *testing.T) {
	many := func(n int, from packet.State) (u Update) {
		for range n {
			u.Changes = append(u.Changes, Change{From: from})
		}
		return u
	}
	u := mergeUpdates(many(600, packet.Up), many(600, packet.Init))
	if len(u.Changes) != maxChanges || u.Lost != 200 || u.Changes[399].From != packet.Up || u.Changes[400].From != packet.Init {
		t.Errorf("%d changes, %d lost", len(u.Changes), u.Lost)
	}
	if u = mergeUpdates(u, many(1, packet.Down)); len(u.Changes) != maxChanges || u.Lost != 201 || u.Changes[999].From != packet.Down {
		t.Errorf("%d changes, %d lost", len(u.Changes), u.Lost)
	}
}

// TestAMomentWithoutARoute is shorter than the peer's patience: it must not be
// made longer by the pause after an error.
func TestAMomentWithoutARoute(t *testing.T) {
	l := newLab(t)
	mine := usual(router4)
	mine.MinTx, mine.Multiplier = 100*ms, 8 // less than reopenAfter
	theirs := usual(node4)
	theirs.MinRx, theirs.Multiplier = 100*ms, 255
	n, peer := run(t, l.node, mine), run(t, l.router, theirs)
	n.waitUp(1)
	testlab.Eventually(t, 20*time.Second, "the peer's patience", func() bool { return peer.only().Detection == 800*ms })
	nowhere := &netlink.Route{Dst: &net.IPNet{IP: net.ParseIP(router4).To4(), Mask: net.CIDRMask(32, 32)}, Type: unix.RTN_UNREACHABLE}
	testlab.In(t, l.node, func() error { return netlink.RouteAdd(nowhere) })
	testlab.Eventually(t, 5*time.Second, "nothing can be sent", func() bool { return n.only().Problem != "" })
	testlab.In(t, l.node, func() error { return netlink.RouteDel(nowhere) })
	sent := n.only().Sent
	testlab.Eventually(t, 5*time.Second, "a second of packets", func() bool { return n.only().Sent > sent+12 })
	if d := peer.downs(); len(d) > 0 {
		t.Errorf("fell: %+v", d)
	}
}

// TestTwoSessionsWithOnePeer have series of their own.
func TestTwoSessionsWithOnePeer(t *testing.T) {
	l := newLab(t)
	far := usual(router4)
	far.MultiHop = true
	n := run(t, l.node, usual(router4), far)
	run(t, l.router, usual(node4))
	testlab.Eventually(t, 20*time.Second, "one of two up", func() bool {
		s := n.statuses()
		return len(s) == 2 && s[0].State == packet.Up && s[1].State == packet.Down
	})
	for hops, want := range map[string]float64{"false": 1, "true": 0} {
		if up := n.metric("steelyard_bfd_session_up", hops); up != want {
			t.Errorf("multihop=%s: %v, want %v", hops, up, want)
		}
		if sent := n.metric("steelyard_bfd_control_packet_output", hops); sent == 0 {
			t.Errorf("multihop=%s: no packets sent", hops)
		}
	}
}
