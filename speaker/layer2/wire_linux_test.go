package layer2

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/vishvananda/netlink"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

const (
	all  = "ff:ff:ff:ff:ff:ff"
	all6 = "33:33:00:00:00:01"
)

// announceOnce leaves out repetitions until the test ends.
func announceOnce(t *testing.T) {
	before := announceAt
	announceAt = []time.Duration{0}
	t.Cleanup(func() { announceAt = before })
}

// ask asks for addrs, as if macs were the members'.
func (n *node) ask(macs []string, addrs ...netip.Addr) {
	n.t.Helper()
	var state host.State
	ok(n.t, inside(n.ns, func() (err error) { state, err = host.Read(); return err }))
	var claims []announce.Claim
	for _, a := range addrs {
		claims = append(claims, announce.Claim{Addr: a, Links: []string{n.link}})
	}
	others := []announce.Member{}
	for _, m := range macs {
		mac, err := net.ParseMAC(m)
		ok(n.t, err)
		others = append(others, announce.Member{Alive: true, Links: []announce.Link{{Name: "e", MAC: [6]byte(mac)}}})
	}
	n.r.Ask(claims, others, state)
}

// waitFinding waits until what was found is as wanted.
func (n *node) waitFinding(what string, wanted func(Findings) bool) {
	n.t.Helper()
	for deadline := time.Now().Add(8 * time.Second); !wanted(n.r.Findings()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s: found %+v", what, n.r.Findings())
		}
	}
}

// What neighbours see of a takeover, and of the refreshes after it.
func TestAnnouncementsOnTheWire(t *testing.T) {
	_, boxes := lan(t, "n1", "cl")
	seen := boxes["cl"].capture()
	n1 := boxes["n1"].respond()
	n1.refresh = 400 * time.Millisecond
	keepBeating(t, n1)
	n1.waitUp()
	n1.claim(vip4, vip6)
	ours := []said{{"announce request", all, vip4}, {"announce reply", all, vip4}, {"na O", all6, vip6}}
	seen.waitSaid(t, n1.mac(), map[said]int{ours[1]: 4})
	deadline := time.Now().Add(8 * time.Second)
	for seen.from(t, n1.mac())[ours[0]] < 7 || seen.from(t, n1.mac())[ours[2]] < 7 {
		if time.Now().After(deadline) {
			t.Fatalf("no refreshes: %v", seen.from(t, n1.mac()))
		}
		time.Sleep(20 * time.Millisecond)
	}
	got := seen.from(t, n1.mac())
	if got[ours[1]] != 4 {
		t.Errorf("refreshes in both forms: %v", got)
	}
	for s := range got {
		if !slices.Contains(ours, s) && (s.target == vip4 || s.target == vip6) {
			t.Errorf("said %v, too", s)
		}
	}
}

// Answers go to who asked, with the right flags.
func TestAnswersOnTheWire(t *testing.T) {
	announceOnce(t)
	_, n1, _, client := twoNodes(t)
	n1.waitUp()
	seen := client.capture()
	n1.claim(vip4, vip6)
	seen.waitSaid(t, n1.mac(), map[said]int{{"announce request", all, vip4}: 1, {"na O", all6, vip6}: 1})
	me, err := net.ParseMAC(client.mac())
	ok(t, err)
	group := netip.MustParseAddr("ff02::1:ff00:100")
	mine := func(frame []byte) []byte { copy(frame[6:], me); return frame }
	n1MAC, err := net.ParseMAC(n1.mac())
	ok(t, err)
	toN1 := func(frame []byte) []byte { copy(frame, n1MAC); return frame }
	client.inject(
		arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", me, ethernet.Broadcast),
		arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", me, n1MAC),
		arpRequest(t, arp.OperationRequest, "0.0.0.0", "192.0.2.100", me, ethernet.Broadcast),
		mine(solicit(t, peer6, group, "2001:db8::100", &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: me})),
		mine(solicit(t, peer6, group, "2001:db8::100")),
		toN1(mine(solicit(t, peer6, vip6, "2001:db8::100"))), // a unicast probe
		mine(solicit(t, netip.IPv6Unspecified(), group, "2001:db8::100")),
	)
	seen.waitSaid(t, n1.mac(), map[said]int{
		{"reply", client.mac(), vip4}: 3, {"na SO", client.mac(), vip6}: 3,
		{"na O", all6, vip6}: 2, // the announcement, and the answer to who checks for a duplicate
	})
}

// An address that a stranger has is found in use, one that nobody has is free
// after three probes.
func TestProbesOnTheWire(t *testing.T) {
	_, boxes := lan(t, "n1", "cl")
	stranger := boxes["cl"]
	stranger.addr("192.0.2.100/24")
	stranger.addr("2001:db8::100/64")
	seen := stranger.capture()
	n1 := boxes["n1"].respond()
	n1.waitUp()
	free4, free6 := netip.MustParseAddr("192.0.2.50"), netip.MustParseAddr("2001:db8::50")
	n1.ask(nil, vip4, vip6, free4, free6)
	taken := announce.Probe{Link: n1.link, MAC: stranger.mac()}
	n1.waitFinding("two of four are taken", func(f Findings) bool {
		return f.Probes[vip4] == taken && f.Probes[vip6] == taken && f.Probes[free4].Free && f.Probes[free6].Free
	})
	got := seen.from(t, n1.mac())
	group := "33:33:ff:00:00:50"
	if got[said{"probe", all, free4}] != 3 || got[said{"probe", group, free6}] != 3 {
		t.Errorf("said %v", got)
	}
	if got[said{"probe", all, vip4}] == 0 || n1.count("conflicts_total", protoARP, whenProbed) != 1 || n1.count("conflicts_total", protoNDP, whenProbed) != 1 {
		t.Errorf("said %v", got)
	}
	for s := range got {
		if s.kind != "probe" && s.kind != "solicit" {
			t.Errorf("said %v about an address that it does not have", s)
		}
	}
	// A member that has it is no stranger.
	n1.ask(nil)
	n1.ask([]string{stranger.mac()}, vip4, vip6)
	n1.waitFinding("a member is no stranger", func(f Findings) bool { return f.Probes[vip4].Free && f.Probes[vip6].Free })
}

// A stranger that appears is answered with one announcement, whatever he does
// then; a member with none.
func TestDefenceOnTheWire(t *testing.T) {
	announceOnce(t)
	_, boxes := lan(t, "n1", "n2", "cl")
	member, stranger := boxes["n2"], boxes["cl"]
	seen := stranger.capture()
	n1 := boxes["n1"].respond()
	keepBeating(t, n1)
	n1.waitUp()
	n1.ask([]string{member.mac()})
	n1.claim(vip4, vip6)
	times := func(n int) map[said]int {
		return map[said]int{{"announce request", all, vip4}: n, {"announce reply", all, vip4}: n, {"na O", all6, vip6}: n}
	}
	seen.waitSaid(t, n1.mac(), times(1))
	boast := func(b *box) {
		mac, err := net.ParseMAC(b.mac())
		ok(t, err)
		for _, vip := range []netip.Addr{vip4, vip6} {
			frames, err := announcement(hardware(mac), vip)
			ok(t, err)
			for _, f := range frames {
				b.inject(f.frame)
			}
		}
	}
	dropped := func(proto string, why drop, n float64) {
		t.Helper()
		for deadline := time.Now().Add(8 * time.Second); n1.count("drops_total", proto, string(why)) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v of %s dropped as %q", n1.count("drops_total", proto, string(why)), proto, why)
			}
		}
	}
	boast(member)
	dropped(protoARP, dropMember, 2)
	dropped(protoNDP, dropMember, 1)
	for range 10 {
		boast(stranger)
	}
	dropped(protoARP, dropConflict, 20)
	dropped(protoNDP, dropConflict, 10)
	seen.waitSaid(t, n1.mac(), times(2))
	time.Sleep(300 * time.Millisecond)
	seen.waitSaid(t, n1.mac(), times(2))
	n1.waitFinding("two conflicts", func(f Findings) bool {
		return slices.Equal(f.Conflicts, []Conflict{{vip4, n1.link, stranger.mac()}, {vip6, n1.link, stranger.mac()}})
	})
	if n := n1.count("conflicts_total", protoARP, whenOwned) + n1.count("conflicts_total", protoNDP, whenOwned); n != 2 {
		t.Errorf("%v conflicts counted", n)
	}
}

// Frames that nobody should send are counted and never answered.
func TestHostileFrames(t *testing.T) {
	announceOnce(t)
	_, n1, _, client := twoNodes(t)
	n1.waitUp()
	seen := client.capture()
	n1.claim(vip4, vip6)
	seen.waitSaid(t, n1.mac(), map[said]int{{"announce request", all, vip4}: 1, {"announce reply", all, vip4}: 1, {"na O", all6, vip6}: 1})
	n1MAC, err := net.ParseMAC(n1.mac())
	ok(t, err)
	group := netip.MustParseAddr("ff02::1:ff00:100")
	good := solicit(t, peer6, group, "2001:db8::100")
	change := func(at int, value byte) []byte {
		f := slices.Clone(good)
		f[at] = value
		return f
	}
	request := func(from net.HardwareAddr) []byte {
		return arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", from, ethernet.Broadcast)
	}
	zero := request(theirMAC)
	copy(zero[22:28], make([]byte, 6))
	everybody := request(theirMAC)
	copy(everybody[22:28], ethernet.Broadcast)
	long := request(theirMAC)
	long[18] = 7 // length of hardware addresses
	client.inject(
		zero, everybody, long, request(theirMAC)[:41],
		request(n1MAC), // our own, come back
		tagged(request(theirMAC)),
		change(21, 64), change(56, 0), good[:70],
		solicit(t, peer6, group, "2001:db8::100", &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: make(net.HardwareAddr, 6)}),
		tagged(good),
	)
	counts := func() string {
		return fmt.Sprint("malformed ", n1.count("drops_total", protoARP, string(dropMalformed)), n1.count("drops_total", protoNDP, string(dropMalformed)),
			", own ", n1.count("drops_total", protoARP, string(dropOwn)))
	}
	for deadline := time.Now().Add(8 * time.Second); counts() != "malformed 3 2, own 1"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(counts())
		}
	}
	// The frames come here by a socket of their own.
	for deadline := time.Now().Add(8 * time.Second); len(seen.from(t, n1.mac())) < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			break
		}
	}
	if got := seen.from(t, n1.mac()); len(got) != 4 { // the announcements, and request(n1MAC)
		t.Errorf("said %v", got)
	}
	client.send(vip4)
	client.waitFor(vip4, n1.mac(), answered, "after all that")
}

// Bridges and macvlan interfaces answer as cards do.
func TestBridgeAndMacvlan(t *testing.T) {
	for name, add := range map[string]func(n *box, below netlink.Link) error{
		"br0": func(n *box, below netlink.Link) error {
			if err := n.nl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}); err != nil {
				return err
			}
			br, err := n.nl.LinkByName("br0")
			if err != nil {
				return err
			}
			return n.nl.LinkSetMaster(below, br)
		},
		"mv0": func(n *box, below netlink.Link) error {
			return n.nl.LinkAdd(&netlink.Macvlan{Mode: netlink.MACVLAN_MODE_BRIDGE,
				LinkAttrs: netlink.LinkAttrs{Name: "mv0", ParentIndex: below.Attrs().Index}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, boxes := lan(t, "n1", "cl")
			client := boxes["cl"]
			client.addr("192.0.2.1/24")
			client.addr("2001:db8::1/64")
			client.sysctl("ipv4/neigh/"+client.link+"/delay_first_probe_time", "1")
			client.sysctl("ipv6/neigh/"+client.link+"/delay_first_probe_time", "1")
			below, err := boxes["n1"].nl.LinkByName(boxes["n1"].link)
			ok(t, err)
			ok(t, add(boxes["n1"], below))
			ok(t, boxes["n1"].up(name))
			boxes["n1"].link = name
			n1 := boxes["n1"].respond()
			keepBeating(t, n1)
			n1.waitUp()
			n1.claim(vip4, vip6)
			for _, vip := range []netip.Addr{vip4, vip6} {
				for deadline := time.Now().Add(8 * time.Second); ; { // a bridge port learns for a moment
					client.send(vip)
					time.Sleep(50 * time.Millisecond)
					if mac, state := client.neighbor(vip); mac == n1.mac() && state&answered != 0 {
						break
					} else if time.Now().After(deadline) {
						t.Fatalf("%v is %q, state %#x", vip, mac, state)
					}
				}
				l, err := client.nl.LinkByName(client.link)
				ok(t, err)
				mac, err := net.ParseMAC(n1.mac())
				ok(t, err)
				ok(t, client.nl.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: vip.AsSlice(), HardwareAddr: mac, State: netlink.NUD_STALE}))
				client.send(vip)
				client.waitFor(vip, n1.mac(), netlink.NUD_REACHABLE, "unicast probe")
			}
		})
	}
}

// A link that is deleted while a thousand addresses are announced on it harms
// nobody.
func TestLinkDeletedInMidSend(t *testing.T) {
	sw, n1, _, client := twoNodes(t)
	n1.waitUp()
	addrs := []netip.Addr{vip4, vip6}
	for a := netip.MustParseAddr("192.0.4.0"); len(addrs) < 1000; a = a.Next() {
		addrs = append(addrs, a)
	}
	n1.claim(addrs...)
	for n1.count("announcements_total", protoARP) == 0 {
		time.Sleep(time.Millisecond)
	}
	l, err := n1.nl.LinkByName(n1.link)
	ok(t, err)
	ok(t, n1.nl.LinkDel(l))
	time.Sleep(1500 * time.Millisecond) // the second announcements are due
	if n1.count("errors_total", "send") == 0 {
		t.Error("no failure counted")
	}
	sw.plug(n1.box)
	n1.waitUp()
	n1.claim(vip4, vip6)
	for deadline := time.Now().Add(8 * time.Second); ; {
		client.send(vip4)
		time.Sleep(50 * time.Millisecond)
		if mac, state := client.neighbor(vip4); mac == n1.mac() && state&answered != 0 {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("neighbor is %q, state %#x", mac, state)
		}
	}
}

// A process that was frozen has requests waiting when it thaws, and does not
// answer them: others have taken over meanwhile.
func TestFrozen(t *testing.T) {
	_, boxes := lan(t, "n1", "cl")
	n1, client := boxes["n1"], boxes["cl"]
	client.addr("192.0.2.1/24")
	seen := client.capture()
	child := n1.child(1)
	t.Cleanup(func() { _ = child.Signal(syscall.SIGCONT) }) // before it is waited for
	replies := func() int { return seen.from(t, n1.mac())[said{"reply", client.mac(), vip4}] }
	ask := func() {
		me, err := net.ParseMAC(client.mac())
		ok(t, err)
		client.inject(arpRequest(t, arp.OperationRequest, "192.0.2.1", "192.0.2.100", me, ethernet.Broadcast))
		time.Sleep(100 * time.Millisecond)
	}
	waitReply := func(than int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); replies() == than; ask() {
			if time.Now().After(deadline) {
				t.Fatal("no answer")
			}
		}
	}
	waitReply(0)
	ok(t, child.Signal(syscall.SIGSTOP))
	time.Sleep(50 * time.Millisecond)
	before := replies()
	for range 30 {
		ask()
	}
	ok(t, child.Signal(syscall.SIGCONT))
	time.Sleep(time.Second)
	if n := replies(); n != before {
		t.Errorf("%d stale answers", n-before)
	}
	waitReply(before) // and is well again
}
