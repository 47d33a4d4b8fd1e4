package layer2

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

var (
	vip4 = netip.MustParseAddr("192.0.2.100")
	vip6 = netip.MustParseAddr("2001:db8::100")
)

// box is a network namespace with one link to the LAN.
type box struct {
	t    testing.TB
	name string
	ns   netns.NsHandle
	nl   *netlink.Handle
	link string
}

// inside runs fn on a thread of its own in the namespace ns.
func inside(ns netns.NsHandle, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- fn()
	}()
	return <-done
}

func newBox(t testing.TB, name string) *box {
	t.Helper()
	b := &box{t: t, name: name, link: name + "e"}
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		var err error
		b.ns, err = netns.New()
		made <- err
	}()
	ok(t, <-made)
	t.Cleanup(func() { b.ns.Close() })
	var err error
	b.nl, err = netlink.NewHandleAt(b.ns)
	ok(t, err)
	t.Cleanup(b.nl.Close)
	return b
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lan is a switch with boxes on it.
func lan(t testing.TB, names ...string) (sw *box, boxes map[string]*box) {
	t.Helper()
	sw, boxes = newBox(t, "sw"), map[string]*box{}
	ok(t, sw.nl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}))
	ok(t, sw.up("br"))
	for _, name := range names {
		boxes[name] = newBox(t, name)
		sw.plug(boxes[name])
	}
	return sw, boxes
}

// plug gives b its link, up, into the switch.
func (sw *box) plug(b *box) {
	sw.t.Helper()
	sw.cable("p"+b.name, b, b.link)
}

// cable connects a port of the switch to a new link of b, both up.
func (sw *box) cable(port string, b *box, link string) {
	t := sw.t
	t.Helper()
	ok(t, sw.nl.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: link}))
	far, err := sw.nl.LinkByName(link)
	ok(t, err)
	ok(t, sw.nl.LinkSetNsFd(far, int(b.ns)))
	near, err := sw.nl.LinkByName(port)
	ok(t, err)
	bridge, err := sw.nl.LinkByName("br")
	ok(t, err)
	ok(t, sw.nl.LinkSetMaster(near, bridge))
	ok(t, sw.up(port))
	ok(t, b.up(link))
}

func (b *box) up(name string) error {
	l, err := b.nl.LinkByName(name)
	if err != nil {
		return err
	}
	return b.nl.LinkSetUp(l)
}

func (b *box) mac() string {
	b.t.Helper()
	l, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	return l.Attrs().HardwareAddr.String()
}

// addr gives the link an address that may be used at once.
func (b *box) addr(cidr string) {
	b.t.Helper()
	l, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	a, err := netlink.ParseAddr(cidr)
	ok(b.t, err)
	if a.IP.To4() == nil {
		a.Flags = 0x02 // IFA_F_NODAD
	}
	ok(b.t, b.nl.AddrAdd(l, a))
}

func (b *box) sysctl(path, value string) {
	b.t.Helper()
	ok(b.t, inside(b.ns, func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0) }))
}

// send makes the kernel resolve to: it sends a datagram.
func (b *box) send(to netip.Addr) {
	b.t.Helper()
	ok(b.t, inside(b.ns, func() error {
		c, err := net.Dial("udp", netip.AddrPortFrom(to, 9).String())
		if err != nil {
			return err
		}
		defer c.Close()
		_, _ = c.Write([]byte("x")) // fails while the address cannot be resolved
		return nil
	}))
}

// neighbor is what the kernel knows about addr: MAC and state.
func (b *box) neighbor(addr netip.Addr) (mac string, state int) {
	b.t.Helper()
	l, err := b.nl.LinkByName(b.link)
	ok(b.t, err)
	list, err := b.nl.NeighList(l.Attrs().Index, netlink.FAMILY_ALL)
	ok(b.t, err)
	for _, n := range list {
		if ip, _ := netip.AddrFromSlice(n.IP); ip.Unmap() == addr {
			return n.HardwareAddr.String(), n.State
		}
	}
	return "", netlink.NUD_NONE
}

// waitFor waits until the client's entry for addr has mac and one of states.
func (b *box) waitFor(addr netip.Addr, mac string, states int, what string) time.Duration {
	b.t.Helper()
	start := time.Now()
	for time.Since(start) < 4*time.Second {
		if m, s := b.neighbor(addr); m == mac && s&states != 0 {
			return time.Since(start)
		}
		time.Sleep(5 * time.Millisecond)
	}
	m, s := b.neighbor(addr)
	b.t.Fatalf("%s: neighbor %v is %q, state %#x; want %q", what, addr, m, s, mac)
	return 0
}

// node is a box with a running responder.
type node struct {
	*box
	r       *Responder
	reg     *prometheus.Registry
	refresh time.Duration // of what it claims
}

func (b *box) respond() *node {
	b.t.Helper()
	n := &node{box: b, reg: prometheus.NewRegistry()}
	n.r = New(log.NewNopLogger(), n.reg, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- inside(b.ns, func() error { return n.r.Run(ctx) }) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("run on %s: %v", b.name, err)
		}
	})
	return n
}

// claim applies claims for addrs and keeps the heart beating till the test
// ends or claim is called again.
func (n *node) claim(addrs ...netip.Addr) {
	n.t.Helper()
	var state host.State
	ok(n.t, inside(n.ns, func() (err error) { state, err = host.Read(); return err }))
	var claims []announce.Claim
	for _, a := range addrs {
		claims = append(claims, announce.Claim{Addr: a, Links: []string{n.link}, Refresh: n.refresh})
	}
	n.r.Apply(claims, state)
}

// waitUp waits until the kernel calls the node's link up; it takes its time,
// up to a second, after a link was made or set up.
func (n *node) waitUp() {
	n.t.Helper()
	for deadline := time.Now().Add(4 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var state host.State
		ok(n.t, inside(n.ns, func() (err error) { state, err = host.Read(); return err }))
		if l, found := state.Link(n.link); found && l.Up {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("link %s does not come up", n.link)
		}
	}
}

func (n *node) count(name string, labels ...string) float64 {
	n.t.Helper()
	families, err := n.reg.Gather()
	ok(n.t, err)
	want, sum := fmt.Sprint(labels), 0.0
	for _, f := range families {
		if f.GetName() != "steelyard_layer2_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetValue())
			}
			if fmt.Sprint(got) == want {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
