//go:build testkernel

package bfd

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// These tests need a kernel with VRFs: see make test-kernel.

// easy is a session with settings that an emulated processor can keep.
func easy(peer, vrf string) Session {
	s := to(peer)
	s.MinTx, s.MinRx, s.VRF = time.Second, time.Second, vrf
	return s
}

// addRed gives the node a second link, to a router of its own, in VRF red. Both
// ends have the addresses that those of the first link have.
func (l *lab) addRed() *lab {
	red := &lab{t: l.t, node: l.node, router: testlab.NewNS(l.t)}
	link(l.t, l.node, "eth1", red.router, "eth0")
	testlab.In(l.t, l.node, func() error {
		vrf := &netlink.Vrf{LinkAttrs: netlink.LinkAttrs{Name: "red"}, Table: 100}
		if err := netlink.LinkAdd(vrf); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(vrf); err != nil {
			return err
		}
		eth1, err := netlink.LinkByName("eth1")
		if err != nil {
			return err
		}
		return netlink.LinkSetMaster(eth1, vrf)
	})
	address(l.t, l.node, "eth1", node4, node6)
	address(l.t, red.router, "eth0", router4, router6)
	return red
}

// One address is that of two routers, in the default VRF and in another: each is
// watched where it is, whichever was wanted first, and only that one falls that
// dies.
func TestKernelRoutersInTwoVRFs(t *testing.T) {
	for i, kind := range testlab.Kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			red := l.addRed()
			conf := routerConf{peers: []string{node4, node6}, interval: 1000}
			l.startRouter(kind, conf)
			inRed := red.startRouter(kind, conf)
			outside := []Session{easy(router4, ""), easy(router6, "")}
			inside := []Session{easy(router4, "red"), easy(router6, "red")}
			first, second := outside, inside
			if i == 1 {
				first, second = inside, outside
			}
			n := run(t, l.node, first...)
			n.await(t, 2)
			n.engine.Apply(append(first, second...))
			n.await(t, 4)
			inRed.Kill()
			testlab.Eventually(t, time.Minute, "the fall of those in the VRF", func() bool {
				return n.stateOf(router4, "red") == packet.Down && n.stateOf(router6, "red") == packet.Down
			})
			time.Sleep(5 * time.Second)
			if a, b := n.stateOf(router4, ""), n.stateOf(router6, ""); a != packet.Up || b != packet.Up {
				t.Errorf("in the default VRF: %v, %v", a, b)
			}
			for _, c := range n.downs() {
				if c.VRF != "red" {
					t.Errorf("fell: %+v", c)
				}
			}
		})
	}
}

// await waits until there are so many sessions, all up.
func (n *node) await(t *testing.T, count int) {
	t.Helper()
	testlab.Eventually(t, 90*time.Second, "sessions up", func() bool { return n.allUp(count) })
}

func (n *node) stateOf(peer, vrf string) packet.State {
	for _, s := range n.statuses() {
		if s.Peer == netip.MustParseAddr(peer) && s.VRF == vrf {
			return s.State
		}
	}
	return packet.AdminDown
}
