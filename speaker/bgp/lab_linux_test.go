package bgp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// The addresses of the lab's one link.
const (
	node4, router4 = "10.9.0.11", "10.9.0.1"
	node6, router6 = "2001:db8:9::11", "2001:db8:9::1"
	node4b, node6b = "10.9.0.12", "2001:db8:9::12" // see lab.twoSpeakers
)

// The networks of the addresses that the tests announce.
var (
	ours4 = net.IPNet{IP: net.IP{192, 0, 2, 0}, Mask: net.CIDRMask(24, 32)}
	ours6 = net.IPNet{IP: net.ParseIP("2001:db8:53::"), Mask: net.CIDRMask(48, 128)}
)

// lab is a node and a router, each a network namespace, with a link between
// them. The namespaces have no names: they end with their last process.
type lab struct {
	t            *testing.T
	node, router netns.NsHandle
	at           *netlink.Handle // in the router
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, node: testlab.NewNS(t), router: testlab.NewNS(t)}
	testlab.In(t, l.node, func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0",
			PeerNamespace: netlink.NsFd(l.router)}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		return address(node4, node6)
	})
	testlab.In(t, l.router, func() error { return address(router4, router6) })
	var err error
	if l.at, err = netlink.NewHandleAt(l.router); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.at.Close)
	return l
}

// twoSpeakers gives the node a second address of each family, so that two
// speaker processes on it look like those of two nodes.
func (l *lab) twoSpeakers() {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error { return address(node4b, node6b) })
}

// address gives the present namespace's eth0 its addresses, usable at once.
func address(addrs ...string) error {
	prefixes := make([]string, len(addrs))
	for i, a := range addrs {
		prefixes[i] = a + "/24"
		if netip.MustParseAddr(a).Is6() {
			prefixes[i] = a + "/64"
		}
	}
	return addressOf("eth0", prefixes...)
}

// addressOf gives a link of the present namespace addresses and makes it, and
// lo, ready.
func addressOf(name string, prefixes ...string) error {
	for _, up := range []string{"lo", name} {
		if err := link(up, netlink.LinkSetUp); err != nil {
			return err
		}
	}
	for _, p := range prefixes {
		addr, err := netlink.ParseAddr(p)
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := link(name, func(l netlink.Link) error { return netlink.AddrAdd(l, addr) }); err != nil {
			return fmt.Errorf("add %s: %w", p, err)
		}
	}
	return nil
}

// gateways lists the next hops of prefix in the router's kernel; none if there
// is no such route.
func (l *lab) gateways(prefix string) (out []string) {
	l.t.Helper()
	p := netip.MustParsePrefix(prefix)
	routes, err := l.at.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range routes {
		if r.Dst == nil || r.Dst.String() != p.String() {
			continue
		}
		switch {
		case r.Gw != nil:
			out = append(out, r.Gw.String())
		case r.Via != nil:
			out = append(out, r.Via.(*netlink.Via).Addr.String())
		}
		for _, hop := range r.MultiPath {
			if hop.Gw != nil {
				out = append(out, hop.Gw.String())
			}
		}
	}
	return out
}

// weights are the weights of the next hops of prefix in the router's kernel.
func (l *lab) weights(prefix string) map[string]int {
	l.t.Helper()
	routes, err := l.at.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]int{}
	for _, r := range routes {
		if r.Dst == nil || r.Dst.String() != prefix {
			continue
		}
		for _, hop := range r.MultiPath {
			out[hop.Gw.String()] = hop.Hops + 1
		}
	}
	return out
}

// leadsTo tells whether prefix leads to exactly these addresses, in any order.
func (l *lab) leadsTo(prefix string, via ...string) bool {
	g := l.gateways(prefix)
	slices.Sort(g)
	slices.Sort(via)
	return slices.Equal(g, via)
}

// hasRoute tells whether prefix leads to the node's address via, alone.
func (l *lab) hasRoute(prefix, via string) bool {
	g := l.gateways(prefix)
	return len(g) == 1 && g[0] == via
}

// nodeRoutes lists the routes in the node's kernel.
func (l *lab) nodeRoutes() string {
	l.t.Helper()
	var text strings.Builder
	testlab.In(l.t, l.node, func() error {
		routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
		for _, r := range routes {
			fmt.Fprintln(&text, r)
		}
		return err
	})
	return text.String()
}

// monitor collects every change of a route to the tests' addresses in the
// router's kernel from now on.
func (l *lab) monitor() func() []string {
	l.t.Helper()
	updates, done := make(chan netlink.RouteUpdate, 64), make(chan struct{})
	if err := netlink.RouteSubscribeAt(l.router, updates, done); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { close(done) })
	var mu sync.Mutex
	var seen []string
	go func() {
		for u := range updates {
			if u.Dst == nil || !ours4.Contains(u.Dst.IP) && !ours6.Contains(u.Dst.IP) {
				continue
			}
			mu.Lock()
			seen = append(seen, fmt.Sprintf("type %d %v via %v", u.Type, u.Dst, u.Gw))
			mu.Unlock()
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}
