package bgp

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// The addresses of the host between, on the router's side.
const hop4, hop6 = "10.9.2.1", "2001:db8:92::1"

// newFarLab is a lab whose node and router have their addresses on lo, with a
// host between them that forwards.
func newFarLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, node: testlab.NewNS(t), router: testlab.NewNS(t)}
	hop := testlab.NewNS(t)
	for i, end := range []netns.NsHandle{l.node, l.router} {
		link := fmt.Sprintf("eth%d", i)
		testlab.In(t, hop, func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: link}, PeerName: "eth0", PeerNamespace: netlink.NsFd(end)})
		})
	}
	testlab.In(t, hop, func() error {
		for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0o644); err != nil {
				return err
			}
		}
		return errorsOf(
			addressOf("eth0", "10.9.1.1/30", "2001:db8:91::1/64"), addressOf("eth1", hop4+"/30", hop6+"/64"),
			routeVia(node4, "10.9.1.2"), routeVia(node6, "2001:db8:91::2"), routeVia(router4, "10.9.2.2"), routeVia(router6, "2001:db8:92::2"))
	})
	testlab.In(t, l.node, func() error {
		return errorsOf(addressOf("lo", node4+"/32", node6+"/128"), addressOf("eth0", "10.9.1.2/30", "2001:db8:91::2/64"),
			routeVia(router4, "10.9.1.1"), routeVia(router6, "2001:db8:91::1"))
	})
	testlab.In(t, l.router, func() error {
		return errorsOf(addressOf("lo", router4+"/32", router6+"/128"), addressOf("eth0", "10.9.2.2/30", "2001:db8:92::2/64"),
			routeVia(node4, hop4), routeVia(node6, hop6))
	})
	var err error
	if l.at, err = netlink.NewHandleAt(l.router); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.at.Close)
	return l
}

// A router behind another is reached with ebgpMultiHop, or with a ttlSecurity
// of two hops; without, or with one hop, it is not.
func TestRouterSeveralHopsAway(t *testing.T) {
	far := func(p *config.Peer) { p.MultiHop = true }
	for name, c := range map[string]struct {
		conf     routerConf
		yes, not func(*config.Peer)
	}{
		"ebgpMultiHop": {routerConf{hops: 2}, far, func(*config.Peer) {}},
		"ttlSecurity":  {routerConf{hops: 2, gtsm: true}, func(p *config.Peer) { p.Hops = 2 }, func(p *config.Peer) { p.Hops = 1 }},
	} {
		for _, kind := range testlab.Kinds {
			for _, ends := range [][3]string{{router4, node4, hop4}, {router6, node6, hop6}} {
				t.Run(name+" "+kind+" "+ends[0], func(t *testing.T) {
					t.Parallel()
					l := newFarLab(t)
					l.startRouter(kind, c.conf)
					over := func(p *config.Peer) { p.Addr, p.Source = netip.MustParseAddr(ends[0]), netip.MustParseAddr(ends[1]) }
					mine := vip4
					if ends[0] == router6 {
						mine = vip6
					}
					sp := l.startSpeaker()
					sp.tell("apply", sessionTo(peer(over, c.not), route(mine)))
					time.Sleep(4 * time.Second) // an open session takes two
					if st := sp.state(); st.Up() {
						t.Errorf("a session over a hop too many: %+v", st)
					}
					sp.tell("apply")
					sp.tell("apply", sessionTo(peer(over, c.yes), route(mine)))
					testlab.Eventually(t, 20*time.Second, "the route", func() bool { return l.hasRoute(mine, ends[2]) })
				})
			}
		}
	}
}

func routeVia(to, via string) error {
	dst, err := netlink.ParseAddr(netip.PrefixFrom(netip.MustParseAddr(to), netip.MustParseAddr(to).BitLen()).String())
	if err != nil {
		return err
	}
	gw := netip.MustParseAddr(via)
	if err := netlink.RouteAdd(&netlink.Route{Dst: dst.IPNet, Gw: gw.AsSlice()}); err != nil {
		return fmt.Errorf("route to %s via %s: %w", to, via, err)
	}
	return nil
}
