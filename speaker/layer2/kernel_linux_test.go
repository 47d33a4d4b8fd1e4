//go:build testkernel

package layer2

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/vishvananda/netlink"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// These tests need a kernel with VLANs and bonds: see make test-kernel.

// on is the same box seen by another of its links.
func (b *box) on(link string) *box {
	c := *b
	c.link = link
	return &c
}

// vlan makes a VLAN interface on the link, up, and is the box seen by it.
func (b *box) vlan(id int) *box {
	b.t.Helper()
	below, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	v := b.on(fmt.Sprint(b.link, ".", id))
	ok(b.t, v.nl.LinkAdd(&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: v.link, ParentIndex: below.Attrs().Index}, VlanId: id}))
	ok(b.t, v.up(v.link))
	return v
}

// bond joins links to one that uses them one at a time, the first at first.
func (b *box) bond(links ...string) *box {
	b.t.Helper()
	bond := netlink.NewLinkBond(netlink.LinkAttrs{Name: "bond0"})
	bond.Mode, bond.Miimon = netlink.BOND_MODE_ACTIVE_BACKUP, 20
	ok(b.t, b.nl.LinkAdd(bond))
	for _, name := range links {
		l, err := b.nl.LinkByName(name)
		ok(b.t, err)
		ok(b.t, b.nl.LinkSetDown(l)) // as bonds want it
		ok(b.t, b.nl.LinkSetMaster(l, bond))
	}
	ok(b.t, b.up("bond0"))
	return b.on("bond0")
}

// active is the port that the bond uses.
func (b *box) active() string {
	b.t.Helper()
	l, err := b.nl.LinkByName("bond0")
	ok(b.t, err)
	if i := l.(*netlink.Bond).ActiveSlave; i > 0 {
		port, err := b.nl.LinkByIndex(i)
		ok(b.t, err)
		return port.Attrs().Name
	}
	return ""
}

// waitActive waits until the bond uses port.
func (b *box) waitActive(port string) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); b.active() != port; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("the bond uses %q, want %q", b.active(), port)
		}
	}
}

// serve claims addrs on links, as often as the host changes, as the agent
// does: by netlink's events.
func (b *box) serve(links []string, addrs ...netip.Addr) *node {
	b.t.Helper()
	n := b.respond()
	watcher := host.Watch(log.NewNopLogger())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- inside(b.ns, func() error { return watcher.Run(ctx) }) }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case state := <-watcher.States():
				var claims []announce.Claim
				for _, a := range addrs {
					claims = append(claims, announce.Claim{Addr: a, Links: links})
				}
				n.r.Apply(claims, state)
			}
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		<-done
		ok(b.t, <-ended)
	})
	return n
}

// host gives the box addresses on its link, and makes it check entries soon
// and by unicast alone.
func (b *box) host() *box {
	b.t.Helper()
	b.addr("192.0.2.1/24")
	b.addr("2001:db8::1/64")
	// sysctl takes slashes between the parts, so dots in names are fine.
	for _, family := range []string{"ipv4", "ipv6"} {
		b.sysctl(family+"/neigh/"+b.link+"/delay_first_probe_time", "1")
	}
	return b
}

// resolves waits until the box has mac for both addresses, and has checked the
// entries by unicast.
func (b *box) resolves(mac, what string) {
	b.t.Helper()
	l, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	station, err := net.ParseMAC(mac)
	ok(b.t, err)
	for _, vip := range []netip.Addr{vip4, vip6} {
		for deadline := time.Now().Add(10 * time.Second); ; {
			b.send(vip)
			time.Sleep(20 * time.Millisecond)
			if m, state := b.neighbor(vip); m == mac && state&answered != 0 {
				break
			} else if time.Now().After(deadline) {
				b.t.Fatalf("%s: %v is %q, state %#x; want %s", what, vip, m, state, mac)
			}
		}
		ok(b.t, b.nl.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: vip.AsSlice(), HardwareAddr: station, State: netlink.NUD_STALE}))
		b.send(vip)
		b.waitFor(vip, mac, netlink.NUD_REACHABLE, what+": unicast probe")
	}
}

// asks sends one question of each kind about the addresses.
func (b *box) asks() {
	b.t.Helper()
	me, err := net.ParseMAC(b.mac())
	ok(b.t, err)
	ns := solicit(b.t.(*testing.T), peer6, netip.MustParseAddr("ff02::1:ff00:100"), "2001:db8::100",
		&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: me})
	copy(ns[6:], me)
	b.inject(arpRequest(b.t.(*testing.T), arp.OperationRequest, "192.0.2.1", "192.0.2.100", me, ethernet.Broadcast), ns)
}

// announced waits until each address was announced on the wire more often than
// before says.
func (c *capture) announced(t *testing.T, mac string, before map[said]int, what string) {
	t.Helper()
	for _, s := range []said{{"announce request", all, vip4}, {"announce reply", all, vip4}, {"na O", all6, vip6}} {
		for deadline := time.Now().Add(10 * time.Second); c.from(t, mac)[s] <= before[s]; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: no more %v: %v", what, s, c.from(t, mac))
			}
		}
	}
}

// An address on a VLAN interface is answered in that VLAN and nowhere else:
// not without a tag, and not in a VLAN that has no interface here.
func TestKernelVLAN(t *testing.T) {
	announceOnce(t)
	_, boxes := lan(t, "n1", "cl")
	client := boxes["cl"]
	other := client.vlan(6)
	in5 := client.vlan(5).host()
	seen := in5.capture()
	n1 := boxes["n1"].vlan(5).serve([]string{"n1e.5"}, vip4, vip6)
	keepBeating(t, n1)
	n1.waitUp()
	seen.announced(t, n1.mac(), nil, "in the VLAN")
	in5.resolves(n1.mac(), "in the VLAN")

	outside, elsewhere := client.capture(), other.capture()
	replies4, replies6 := n1.count("replies_total", protoARP), n1.count("replies_total", protoNDP)
	client.asks()
	other.asks()
	in5.asks() // comes last on the same wire
	for deadline := time.Now().Add(10 * time.Second); n1.count("replies_total", protoARP) == replies4 || n1.count("replies_total", protoNDP) == replies6; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no answer in the VLAN")
		}
	}
	time.Sleep(200 * time.Millisecond)
	if a, n := n1.count("replies_total", protoARP)-replies4, n1.count("replies_total", protoNDP)-replies6; a != 1 || n != 1 {
		t.Errorf("%v ARP and %v NDP answers to one question each in the VLAN", a, n)
	}
	if got := elsewhere.from(t, n1.mac()); len(got) > 0 {
		t.Errorf("said in another VLAN: %v", got)
	}
	if got := outside.from(t, n1.mac())[said{"reply", client.mac(), vip4}]; got > 1 { // the capture sees the VLAN's, too
		t.Errorf("%d answers outside of the VLAN", got)
	}
}

// The same address on a card and on a VLAN of it is answered in both.
func TestKernelVLANBesideItsCard(t *testing.T) {
	announceOnce(t)
	_, boxes := lan(t, "n1", "cl")
	client := boxes["cl"]
	in5 := client.vlan(5)
	boxes["n1"].vlan(5)
	n1 := boxes["n1"].serve([]string{"n1e", "n1e.5"}, vip4, vip6)
	keepBeating(t, n1)
	n1.waitUp()
	for _, from := range []*box{client, in5} {
		l, err := from.nl.LinkByName(from.link)
		ok(t, err)
		from.host().resolves(n1.mac(), from.link)
		for _, cidr := range []string{"192.0.2.1/24", "2001:db8::1/64"} { // the next link has them
			a, err := netlink.ParseAddr(cidr)
			ok(t, err)
			ok(t, from.nl.AddrDel(l, a))
		}
	}
}

// A VLAN interface that comes while the speaker runs is announced on and
// answered on, and so is one that is made anew.
func TestKernelLateVLAN(t *testing.T) {
	announceOnce(t)
	_, boxes := lan(t, "n1", "cl")
	in5 := boxes["cl"].vlan(5).host()
	seen := in5.capture()
	n1 := boxes["n1"].serve([]string{"n1e.5"}, vip4, vip6)
	keepBeating(t, n1)
	time.Sleep(300 * time.Millisecond)
	if got := n1.count("announcements_total", protoARP); got > 0 {
		t.Fatalf("%v announcements before there is an interface", got)
	}
	for _, what := range []string{"late", "made anew"} {
		before := seen.from(t, n1.mac())
		v := boxes["n1"].vlan(5)
		seen.announced(t, v.mac(), before, what)
		in5.resolves(v.mac(), what)
		l, err := v.nl.LinkByName(v.link)
		ok(t, err)
		ok(t, v.nl.LinkDel(l))
		flush(in5)
	}
}

// bonded are two switches with a line between them, n1 with a bond of a link
// to each, and a client on the second.
func bonded(t *testing.T) (near *box, n1, client *box) {
	t.Helper()
	near, far := newBox(t, "s1"), newBox(t, "s2")
	for _, sw := range []*box{near, far} {
		ok(t, sw.nl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}))
		ok(t, sw.up("br"))
	}
	near.cable("line1", far, "line2")
	line, err := far.nl.LinkByName("line2")
	ok(t, err)
	bridge, err := far.nl.LinkByName("br")
	ok(t, err)
	ok(t, far.nl.LinkSetMaster(line, bridge))
	n1, client = newBox(t, "n1"), newBox(t, "cl")
	near.cable("pn1", n1, "eth0")
	far.cable("pn1", n1, "eth1")
	far.plug(client)
	n1 = n1.bond("eth0", "eth1")
	n1.waitActive("eth0")
	return near, n1, client
}

// A bond that changes its port goes on answering, and its addresses are
// announced by the new port: the switch of the client has the old way in its
// table. The kernel does so for its own addresses only.
func TestKernelBond(t *testing.T) {
	failover(t, func(b *box) *box { return b })
}

// The same for a VLAN on a bond.
func TestKernelVLANOnBond(t *testing.T) {
	failover(t, func(b *box) *box { return b.vlan(5) })
}

func failover(t *testing.T, above func(*box) *box) {
	announceOnce(t)
	near, bond, below := bonded(t)
	client := above(below).host()
	seen := client.capture()
	server := above(bond)
	n1 := server.serve([]string{server.link}, vip4, vip6)
	keepBeating(t, n1)
	n1.waitUp()
	seen.announced(t, n1.mac(), nil, "at first")
	client.resolves(n1.mac(), "at first")

	port, err := near.nl.LinkByName("pn1")
	ok(t, err)
	for _, step := range []struct {
		what string
		do   func() error
		port string
	}{
		{"the first port is cut", func() error { return near.nl.LinkSetDown(port) }, "eth1"},
		{"the second port is taken down", func() error {
			if err := near.nl.LinkSetUp(port); err != nil {
				return err
			}
			time.Sleep(300 * time.Millisecond) // the bond sees it
			second, err := bond.nl.LinkByName("eth1")
			if err != nil {
				return err
			}
			return bond.nl.LinkSetDown(second)
		}, "eth0"},
	} {
		time.Sleep(100 * time.Millisecond) // nothing more is to come of the step before
		before := seen.from(t, n1.mac())
		ok(t, step.do())
		bond.waitActive(step.port)
		begin := time.Now()
		seen.announced(t, n1.mac(), before, step.what)
		t.Logf("%s: announced by %s after %v", step.what, step.port, time.Since(begin).Round(time.Millisecond))
		client.resolves(n1.mac(), step.what)
	}
}
