package bfd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

const ms = time.Millisecond

// The addresses of the lab: a node and a router on one link, and a second
// router behind the first, to which it is two hops.
const (
	node4, router4   = "10.9.0.11", "10.9.0.1"
	node6, router6   = "2001:db8:9::11", "2001:db8:9::1"
	nodeLL, routerLL = "fe80::11", "fe80::1"
	far4, far6       = "10.8.0.2", "2001:db8:8::2"
)

// lab is a node and a router, each a network namespace, with a link between
// them. The namespaces have no names: they end with their last process.
type lab struct {
	t            *testing.T
	node, router netns.NsHandle
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, node: testlab.NewNS(t), router: testlab.NewNS(t)}
	link(t, l.node, "eth0", l.router, "eth0")
	address(t, l.node, "eth0", node4, node6, nodeLL)
	address(t, l.router, "eth0", router4, router6, routerLL)
	return l
}

// newLongLab is a lab whose router is two hops away.
func newLongLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, node: testlab.NewNS(t), router: testlab.NewNS(t)}
	between := testlab.NewNS(t)
	link(t, l.node, "eth0", between, "eth0")
	link(t, l.router, "eth0", between, "eth1")
	address(t, l.node, "eth0", node4, node6)
	address(t, between, "eth0", router4, router6)
	address(t, between, "eth1", "10.8.0.1", "2001:db8:8::1")
	address(t, l.router, "eth0", far4, far6)
	testlab.In(t, between, func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			return err
		}
		return os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0)
	})
	route(t, l.node, router4, router6)
	route(t, l.router, "10.8.0.1", "2001:db8:8::1")
	return l
}

// link makes a link between two namespaces.
func link(t *testing.T, a netns.NsHandle, nameA string, b netns.NsHandle, nameB string) {
	t.Helper()
	testlab.In(t, a, func() error {
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: nameA}, PeerName: nameB, PeerNamespace: netlink.NsFd(b)})
		if err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		return nil
	})
}

// address brings an interface and lo up, with these addresses and none that the
// kernel makes.
func address(t *testing.T, ns netns.NsHandle, name string, addrs ...string) {
	t.Helper()
	testlab.In(t, ns, func() error {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/addr_gen_mode", []byte("1"), 0); err != nil {
			return err
		}
		for _, up := range []string{"lo", name} {
			link, err := netlink.LinkByName(up)
			if err != nil {
				return err
			}
			if err := netlink.LinkSetUp(link); err != nil {
				return err
			}
		}
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			ip, bits := net.ParseIP(a), 64
			if v4 := ip.To4(); v4 != nil {
				ip, bits = v4, 24
			}
			err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, 8*len(ip))}, Flags: unix.IFA_F_NODAD})
			if err != nil {
				return fmt.Errorf("add %s: %w", a, err)
			}
		}
		return nil
	})
}

// route gives a namespace default routes.
func route(t *testing.T, ns netns.NsHandle, gateways ...string) {
	t.Helper()
	testlab.In(t, ns, func() error {
		for _, g := range gateways {
			dst := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
			if netip.MustParseAddr(g).Is6() {
				dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
			}
			if err := netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(g)}); err != nil {
				return fmt.Errorf("route via %s: %w", g, err)
			}
		}
		return nil
	})
}

// setLink brings an end of the lab's link up or down.
func setLink(t *testing.T, end netns.NsHandle, up bool) {
	t.Helper()
	testlab.In(t, end, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if up {
			return netlink.LinkSetUp(link)
		}
		return netlink.LinkSetDown(link)
	})
}

// node is an engine that runs in a namespace, and the book of what it said.
type node struct {
	t      *testing.T
	engine *Engine
	reg    *prometheus.Registry
	end    func() // as if the process died

	mu      sync.Mutex
	last    Update
	changes []Change
}

// run starts an engine in ns. It ends with the test, or by its end.
func run(t *testing.T, ns netns.NsHandle, sessions ...Session) *node {
	t.Helper()
	n := &node{t: t, reg: prometheus.NewRegistry()}
	n.engine = New(n.reg)
	n.engine.Apply(sessions)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	// The thread comes home and lives on: a router dies with the thread that
	// started it.
	wg.Go(func() { testlab.In(t, ns, func() error { return n.engine.Run(ctx) }) })
	wg.Go(func() { n.read(ctx, n.engine.Updates()) })
	n.end = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(func() {
		n.end()
		if t.Failed() {
			t.Logf("the engine knew %+v\nand told of %+v", n.last, n.changes)
		}
	})
	return n
}

func (n *node) read(ctx context.Context, updates <-chan Update) {
	for {
		select {
		case u := <-updates:
			n.mu.Lock()
			n.last, n.changes = u, append(n.changes, u.Changes...)
			n.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// statuses are what is known now.
func (n *node) statuses() []Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last.Statuses
}

// only is the status of the only session; the zero value before there is one.
func (n *node) only() Status {
	if s := n.statuses(); len(s) > 0 {
		return s[0]
	}
	return Status{}
}

// allUp tells whether there are so many sessions, all Up.
func (n *node) allUp(count int) bool {
	s := n.statuses()
	for _, one := range s {
		if one.State != packet.Up {
			return false
		}
	}
	return len(s) == count
}

func (n *node) waitUp(count int) {
	n.t.Helper()
	testlab.Eventually(n.t, 20*time.Second, fmt.Sprintf("%d sessions up", count), func() bool { return n.allUp(count) })
}

// downs are the times that sessions fell.
func (n *node) downs() (out []Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.changes {
		if c.From == packet.Up {
			out = append(out, c)
		}
	}
	return out
}

// discarded is how many packets were not kept for the reason.
func (n *node) discarded(why packet.Discard) float64 {
	return n.metric("steelyard_bfd_discarded_packets_total", why.String())
}

// metric is the value of the series that has a label of that value.
func (n *node) metric(name, value string) float64 {
	n.t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				if f.GetName() == name && label.GetValue() == value {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return 0
}

// fast are the shortest settings that we allow.
var fast = session.Settings{MinTx: 50 * ms, MinRx: 50 * ms, Multiplier: 3, Independent: true}

// to is a session with a peer of the lab.
func to(peer string) Session {
	s := Session{Path: Path{Peer: netip.MustParseAddr(peer)}, Settings: fast}
	switch peer {
	case routerLL, nodeLL:
		s.Interface = "eth0"
	case far4, far6:
		s.MultiHop = true
	}
	return s
}

// usual is a session with settings that any machine can keep.
func usual(peer string) Session {
	s := to(peer)
	s.MinTx, s.MinRx = 300*ms, 300*ms
	return s
}
