//go:build testkernel

package bgp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// These tests need a kernel with VRFs and VLANs: see make test-kernel. Its
// processor is emulated, and slow.
const slow = 90 * time.Second

const vip6b = "2001:db8:53::11/128"

// addRed gives the node a second link, to a router of its own, in VRF red. Both
// ends have the addresses that those of the first link have: only the VRF tells
// one router from the other. With a VLAN the link is that VLAN of a cable.
func (l *lab) addRed(vlan int) *lab {
	l.t.Helper()
	red := &lab{t: l.t, node: l.node, router: testlab.NewNS(l.t)}
	l.makeRed()
	testlab.In(l.t, l.node, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1"}, PeerName: "eth0",
			PeerNamespace: netlink.NsFd(red.router)})
	})
	inside, outside := "eth1", "eth0"
	if vlan > 0 {
		inside, outside = onVLAN(l.t, l.node, inside, vlan), onVLAN(l.t, red.router, outside, vlan)
	}
	l.enslave(inside)
	testlab.In(l.t, red.router, func() error { return addressOf(outside, router4+"/24", router6+"/64") })
	var err error
	if red.at, err = netlink.NewHandleAt(red.router); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(red.at.Close)
	return red
}

// makeRed makes the VRF, with no links in it.
func (l *lab) makeRed() {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error {
		if err := netlink.LinkAdd(&netlink.Vrf{LinkAttrs: netlink.LinkAttrs{Name: "red"}, Table: 100}); err != nil {
			return fmt.Errorf("add VRF: %w", err)
		}
		return link("red", netlink.LinkSetUp)
	})
}

// enslave puts a link of the node into the VRF, with the node's addresses.
func (l *lab) enslave(name string) {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error {
		vrf, err := netlink.LinkByName("red")
		if err != nil {
			return err
		}
		if err := link(name, func(l netlink.Link) error { return netlink.LinkSetMaster(l, vrf) }); err != nil {
			return err
		}
		return addressOf(name, node4+"/24", node6+"/64")
	})
}

// red is the number of the VRF's device.
func (l *lab) red() (index int) {
	l.t.Helper()
	testlab.In(l.t, l.node, func() error {
		vrf, err := netlink.LinkByName("red")
		if err == nil {
			index = vrf.Attrs().Index
		}
		return err
	})
	return index
}

// onVLAN makes a VLAN of a link, which is up without addresses of its own.
func onVLAN(t *testing.T, ns netns.NsHandle, below string, id int) string {
	t.Helper()
	name := fmt.Sprint(below, ".", id)
	testlab.In(t, ns, func() error {
		if err := link(below, netlink.LinkSetUp); err != nil {
			return err
		}
		card, err := netlink.LinkByName(below)
		if err != nil {
			return err
		}
		return netlink.LinkAdd(&netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: name, ParentIndex: card.Attrs().Index}, VlanId: id})
	})
	return name
}

// inRed is a session with the router of that address in the VRF.
func (l *lab) inRed(name, router string, change func(*config.Peer), routes ...announce.Route) announce.Session {
	s := sessionTo(peer(change, func(p *config.Peer) { p.Name, p.VRF, p.Addr = name, "red", netip.MustParseAddr(router) }), routes...)
	s.VRF = l.red()
	return s
}

// of is the state of a peer's session.
func (p *process) of(peer string) SessionState {
	p.t.Helper()
	states := p.tell("states")
	if i := slices.IndexFunc(states, func(s SessionState) bool { return s.Peer == peer }); i >= 0 {
		return states[i]
	}
	return SessionState{}
}

// One address is that of two routers, in the default VRF and in another, behind
// a card or a VLAN; each gets its own routes, over IPv4 and IPv6, the one in the
// VRF with a password and GTSM. What ends one session leaves the other, no
// restart changes a route, and the VRF may go and come back.
func TestKernelVRF(t *testing.T) {
	for i, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			red := l.addRed([]int{0, 5}[i])
			l.startRouter(kind, routerConf{hold: 30})
			red.startRouter(kind, routerConf{hold: 30, password: "sesame", gtsm: true})
			secret := func(p *config.Peer) { p.Password, p.Hops = "sesame", 1 }
			plan := func(more func(*config.Peer)) []announce.Session {
				return []announce.Session{
					sessionTo(peer(more), route(vip4)),
					red.inRed("red4", router4, secret, route(vip4b), route(vip6b)), red.inRed("red6", router6, secret, route(vip6)),
				}
			}
			same := func(*config.Peer) {}
			there := func() bool {
				return l.hasRoute(vip4, node4) && red.hasRoute(vip4b, node4) && red.hasRoute(vip6, node6) && red.hasRoute(vip6b, node6)
			}
			sp := l.startSpeaker()
			sp.tell("apply", plan(same)...)
			testlab.Eventually(t, slow, "routes at each router", there)
			for _, stray := range [][]string{l.gateways(vip4b), l.gateways(vip6), l.gateways(vip6b), red.gateways(vip4)} {
				if len(stray) > 0 {
					t.Errorf("a route came to the router of another VRF: via %v", stray)
				}
			}
			testlab.Eventually(t, slow, "every session up", func() bool {
				return sp.of("tor").Up() && sp.of("red4").Up() && sp.of("red6").Up()
			})
			time.Sleep(3 * time.Second) // End-of-RIB in all directions
			outside, inside := l.monitor(), red.monitor()
			silent := func(what string) {
				t.Helper()
				if seen := append(outside(), inside()...); len(seen) > 0 || !there() {
					t.Errorf("%s: route changes %v", what, seen)
				}
			}

			again := func(p *config.Peer) { p.Source = netip.MustParseAddr(node4) }
			sp.tell("apply", plan(again)...)
			testlab.Eventually(t, slow, "another connection in the default VRF", func() bool {
				st := sp.of("tor")
				return st.Up() && st.Flaps == 1
			})
			if a, b := sp.of("red4"), sp.of("red6"); a.Flaps+b.Flaps > 0 {
				t.Errorf("what was closed in the default VRF fell in the other: %+v, %+v", a, b)
			}
			time.Sleep(3 * time.Second)
			silent("a new connection")

			sp.kill()
			sp = l.startSpeaker()
			sp.tell("apply", plan(again)...)
			testlab.Eventually(t, slow, "every session after kill -9", func() bool {
				return sp.of("tor").Up() && sp.of("red4").Up() && sp.of("red6").Up()
			})
			time.Sleep(3 * time.Second)
			silent("kill -9")
			red.goesAndComesBack(sp, plan, []string{"eth1", "eth1.5"}[i], there)
		})
	}
}

// goesAndComesBack takes the VRF away and makes it anew: another one to the kernel.
func (l *lab) goesAndComesBack(sp *process, plan func(func(*config.Peer)) []announce.Session, inside string, there func() bool) {
	t := l.t
	t.Helper()
	gone, before := plan(func(*config.Peer) {}), l.red()
	for i := range gone[1:] {
		gone[i+1].VRF, gone[i+1].Missing = 0, "spec.vrf: this node has no VRF red"
	}
	testlab.In(t, l.node, func() error {
		if err := link("red", netlink.LinkDel); err != nil {
			return err
		}
		return link(inside, flush4) // the kernel takes away those of IPv6 alone
	})
	sp.tell("apply", gone...)
	testlab.Eventually(t, slow, "the reason why there is no session in the VRF", func() bool {
		st := sp.of("red4")
		return !st.Up() && strings.Contains(st.Why(), "no VRF red")
	})
	l.makeRed()
	l.enslave(inside)
	if l.red() == before {
		t.Fatal("the VRF has the number that it had: the test shows nothing")
	}
	sp.tell("apply", plan(func(*config.Peer) {})...)
	testlab.Eventually(t, slow, "sessions in the new VRF", func() bool {
		return sp.of("tor").Up() && sp.of("red4").Up() && sp.of("red6").Up() && there()
	})
}

// flush4 takes the IPv4 addresses off a link.
func flush4(l netlink.Link) error {
	addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
	for _, a := range addrs {
		err = errors.Join(err, netlink.AddrDel(l, &a))
	}
	return err
}

// Routers of two VRFs come in at one port, each at its own door, with a password
// or without.
func TestKernelPassiveInVRF(t *testing.T) {
	for _, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			red := l.addRed(0)
			l.startRouter(kind, routerConf{connects: true})
			red.startRouter(kind, routerConf{connects: true, password: "sesame"})
			waits := func(p *config.Peer) { p.Passive = true }
			secret := func(p *config.Peer) { p.Passive, p.Password = true, "sesame" }
			sp := l.startSpeaker()
			sp.tell("apply", sessionTo(peer(waits), route(vip4)),
				red.inRed("red4", router4, secret, route(vip4b)), red.inRed("red6", router6, secret, route(vip6)))
			testlab.Eventually(t, slow, "routes at each router", func() bool {
				return l.hasRoute(vip4, node4) && red.hasRoute(vip4b, node4) && red.hasRoute(vip6, node6)
			})
			if len(l.gateways(vip4b)) > 0 || len(red.gateways(vip4)) > 0 {
				t.Error("a route came to the router of another VRF")
			}
		})
	}
}

// A router behind a VLAN interface is peered with like any other, over both
// families.
func TestKernelPeerOnVLAN(t *testing.T) {
	for _, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := &lab{t: t, node: testlab.NewNS(t), router: testlab.NewNS(t)}
			testlab.In(t, l.node, func() error {
				return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(l.router)})
			})
			ours, theirs := onVLAN(t, l.node, "eth0", 5), onVLAN(t, l.router, "eth0", 5)
			testlab.In(t, l.node, func() error { return addressOf(ours, node4+"/24", node6+"/64") })
			testlab.In(t, l.router, func() error { return addressOf(theirs, router4+"/24", router6+"/64") })
			var err error
			if l.at, err = netlink.NewHandleAt(l.router); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.at.Close)
			l.startRouter(kind, routerConf{})
			over6 := peer(func(p *config.Peer) { p.Name, p.Addr = "tor6", netip.MustParseAddr(router6) })
			sp := l.startSpeaker()
			sp.tell("apply", sessionTo(peer(), route(vip4), route(vip6)), sessionTo(over6, route(vip6b)))
			testlab.Eventually(t, slow, "routes", func() bool {
				return l.hasRoute(vip4, node4) && l.hasRoute(vip6, node6) && l.hasRoute(vip6b, node6)
			})
		})
	}
}
