package layer2

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const answered = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE

// keepBeating beats for all nodes until the test ends, as the agent does.
func keepBeating(t *testing.T, nodes ...*node) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				for _, n := range nodes {
					n.r.beats.last.Store(int64(n.r.now()))
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// twoNodes is a LAN with n1, n2 without any address, and a client.
func twoNodes(t *testing.T) (sw *box, n1, n2 *node, client *box) {
	sw, boxes := lan(t, "n1", "n2", "cl")
	client = boxes["cl"]
	client.addr("192.0.2.1/24")
	client.addr("2001:db8::1/64")
	n1, n2 = boxes["n1"].respond(), boxes["n2"].respond()
	keepBeating(t, n1, n2)
	return sw, n1, n2, client
}

func TestResolveAndTakeOver(t *testing.T) {
	_, n1, n2, client := twoNodes(t)
	for _, vip := range []netip.Addr{vip4, vip6} {
		n1.claim(vip)
		time.Sleep(200 * time.Millisecond)
		client.send(vip)
		client.waitFor(vip, n1.mac(), answered, "resolve")

		n1.claim()
		n2.claim(vip)
		took := client.waitFor(vip, n2.mac(), answered, "take over")
		t.Logf("%v: neighbor changed %v after the claim", vip, took)

		// What n1 lost it does not answer, and what nobody claims stays silent.
		n2.claim()
		l, err := client.nl.LinkByName(client.link)
		ok(t, err)
		ok(t, client.nl.NeighDel(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: vip.AsSlice()}))
		client.send(vip)
		time.Sleep(300 * time.Millisecond)
		if mac, state := client.neighbor(vip); state&answered != 0 {
			t.Errorf("%v is claimed by nobody, and %s answers", vip, mac)
		}
	}
	if got := n2.count("announcements_total", protoARP) + n2.count("announcements_total", protoNDP); got < 2 {
		t.Errorf("%v announcements", got)
	}
}

// The client may use unicast probes only (RFC 4861, 7.3): the entry must
// become reachable by them.
func TestUnicastProbe(t *testing.T) {
	_, n1, _, client := twoNodes(t)
	client.sysctl("ipv6/neigh/"+client.link+"/delay_first_probe_time", "1")
	client.sysctl("ipv6/neigh/"+client.link+"/mcast_solicit", "0")
	client.sysctl("ipv4/neigh/"+client.link+"/delay_first_probe_time", "1")
	client.sysctl("ipv4/neigh/"+client.link+"/mcast_solicit", "0")
	n1.claim(vip4, vip6)
	l, err := client.nl.LinkByName(client.link)
	ok(t, err)
	n, err := n1.nl.LinkByName(n1.link)
	ok(t, err)
	time.Sleep(100 * time.Millisecond)
	for _, vip := range []netip.Addr{vip4, vip6} {
		ok(t, client.nl.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: vip.AsSlice(),
			HardwareAddr: n.Attrs().HardwareAddr, State: netlink.NUD_STALE}))
		client.send(vip)
		client.waitFor(vip, n1.mac(), netlink.NUD_REACHABLE, "unicast probe")
	}
	if got := n1.count("replies_total", protoNDP); got == 0 {
		t.Error("no reply counted")
	}
}

// A host that wants the address for itself finds it taken (RFC 4862, 5.4).
func TestDuplicateAddressDetection(t *testing.T) {
	_, n1, _, client := twoNodes(t)
	n1.claim(vip6)
	time.Sleep(100 * time.Millisecond)
	l, err := client.nl.LinkByName(client.link)
	ok(t, err)
	a, err := netlink.ParseAddr(vip6.String() + "/64")
	ok(t, err)
	ok(t, client.nl.AddrAdd(l, a))
	deadline := time.Now().Add(4 * time.Second)
	for {
		list, err := client.nl.AddrList(l, netlink.FAMILY_V6)
		ok(t, err)
		for _, a := range list {
			if a.IP.String() == vip6.String() && a.Flags&unix.IFA_F_DADFAILED != 0 {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the duplicate was not found: %v", list)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A link that goes down and comes back, and one that is made anew with the
// same name, answer again.
func TestLinkComesBack(t *testing.T) {
	sw, n1, _, client := twoNodes(t)
	resolve := func(what string) {
		t.Helper()
		n1.waitUp()
		n1.claim(vip4, vip6)
		time.Sleep(150 * time.Millisecond)
		for _, vip := range []netip.Addr{vip4, vip6} {
			client.send(vip)
			client.waitFor(vip, n1.mac(), answered, what)
		}
	}
	resolve("at first")
	l, err := n1.nl.LinkByName(n1.link)
	ok(t, err)
	ok(t, n1.nl.LinkSetDown(l))
	n1.claim(vip4, vip6) // sees the link down
	time.Sleep(50 * time.Millisecond)
	ok(t, n1.nl.LinkSetUp(l))
	flush(client)
	resolve("down and up, seen")
	ok(t, n1.nl.LinkSetDown(l))
	time.Sleep(50 * time.Millisecond)
	ok(t, n1.nl.LinkSetUp(l))
	flush(client)
	resolve("down and up, not seen")
	ok(t, n1.nl.LinkDel(l))
	n1.claim(vip4, vip6)
	sw.plug(n1.box)
	flush(client)
	resolve("made anew")
	if link, err := n1.nl.LinkByName(n1.link); err != nil || link.Attrs().Index == l.Attrs().Index {
		t.Errorf("the link kept its index: %v", err)
	}
}

func flush(b *box) {
	l, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	for _, vip := range []netip.Addr{vip4, vip6} {
		ok(b.t, b.nl.NeighDel(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: vip.AsSlice()}))
	}
}

// Without a heartbeat nobody answers, and after a long gap not at once.
func TestSilentWithoutHeartbeat(t *testing.T) {
	_, boxes := lan(t, "n1", "cl")
	client := boxes["cl"]
	client.addr("192.0.2.1/24")
	n1 := boxes["n1"].respond()
	n1.claim(vip4)
	time.Sleep(1200 * time.Millisecond)
	client.send(vip4)
	time.Sleep(200 * time.Millisecond)
	if _, state := client.neighbor(vip4); state&answered != 0 {
		t.Error("answered without a heartbeat")
	}
	if n1.count("drops_total", protoARP, string(dropSilent)) == 0 {
		t.Error("silence not counted")
	}
	n1.r.Beat()
	client.send(vip4)
	time.Sleep(200 * time.Millisecond)
	if _, state := client.neighbor(vip4); state&answered != 0 {
		t.Error("answered right after a gap")
	}
	for range 12 {
		time.Sleep(100 * time.Millisecond)
		n1.r.Beat()
	}
	client.send(vip4)
	client.waitFor(vip4, n1.mac(), answered, "after the gap")
}

// The filters take noise off the process and are exact for two addresses that
// share a solicited-node group.
func TestFilters(t *testing.T) {
	_, n1, _, client := twoNodes(t)
	n1.claim(vip4, vip6)
	time.Sleep(150 * time.Millisecond)
	for _, a := range []string{"192.0.2.7", "2001:db8::7", "2001:db8::1:0:100"} {
		client.send(netip.MustParseAddr(a))
	}
	client.send(vip4)
	client.waitFor(vip4, n1.mac(), answered, "among noise")
	time.Sleep(100 * time.Millisecond)
	if got := n1.count("requests_total", protoARP); got > 2 {
		t.Errorf("%v ARP frames reached the process", got)
	}
	if got, not := n1.count("replies_total", protoNDP), n1.count("drops_total", protoNDP, string(dropNotOwned)); got != 0 || not != 1 {
		t.Errorf("%v NDP replies, %v not owned", got, not)
	}
}

// More addresses than a filter or a socket's memberships hold.
func TestManyAddresses(t *testing.T) {
	_, n1, _, client := twoNodes(t)
	var all []netip.Addr
	a4, a6 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::1:0")
	for range 2100 {
		all = append(all, a4, a6)
		a4, a6 = a4.Next(), a6.Next()
	}
	n1.claim(all...)
	deadline := time.Now().Add(10 * time.Second)
	for n1.count("announcements_total", protoNDP) < 2100 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	last := all[len(all)-1]
	client.send(all[100])
	client.waitFor(all[100], n1.mac(), answered, "of many")
	client.send(last)
	client.waitFor(last, n1.mac(), answered, "last of many")
	if n := n1.count("errors_total", "open"); n > 0 {
		t.Errorf("%v faults", n)
	}
}
