//go:build testkernel

package nft

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	machine "github.com/steelyard-lb/steelyard/config/host"
)

// This test needs a kernel with VRFs: see make test-kernel.

const redTable = 100

// moveToRed puts the node's link to the client into VRF red, whose default route
// leads to the client, as one that a router announces would.
func (l *lab) moveToRed() {
	l.t.Helper()
	l.node.in(l.t, func() error {
		red := &netlink.Vrf{LinkAttrs: netlink.LinkAttrs{Name: "red"}, Table: redTable}
		if err := netlink.LinkAdd(red); err != nil {
			return fmt.Errorf("add VRF: %w", err)
		}
		link, err := netlink.LinkByName("client")
		if err != nil {
			return err
		}
		if err := errors.Join(netlink.LinkSetUp(red), netlink.LinkSetMaster(link, red)); err != nil {
			return err
		}
		// It has lost its IPv6 addresses.
		addr, err := netlink.ParseAddr("2001:db8:1::1/64")
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD
		return netlink.AddrReplace(link, addr)
	})
	l.routes("100 0.0.0.0/0 192.0.2.2 client", "100 ::/0 2001:db8:1::2 client")
}

// routes adds routes to the node: table, prefix, gateway ("-": none) and device.
func (l *lab) routes(list ...string) {
	l.t.Helper()
	l.node.in(l.t, func() error {
		for _, text := range list {
			var r netlink.Route
			var dst, gateway, device string
			if _, err := fmt.Sscan(text, &r.Table, &dst, &gateway, &device); err != nil {
				return fmt.Errorf("%q: %w", text, err)
			}
			link, err := netlink.LinkByName(device)
			if err != nil {
				return err
			}
			r.LinkIndex, r.Gw = link.Attrs().Index, net.ParseIP(gateway)
			if _, r.Dst, err = net.ParseCIDR(dst); err != nil {
				return err
			}
			if err := netlink.RouteAdd(&r); err != nil {
				return fmt.Errorf("route %s: %w", text, err)
			}
		}
		return nil
	})
}

// leavesBy holds the ways to a pod as the speaker sees them, from a client in the VRF
// and from the node itself, against the links that they should take.
func (l *lab) leavesBy(pod, client, fromRed, own string) {
	l.t.Helper()
	l.node.in(l.t, func() error {
		addr := netip.MustParseAddr(pod)
		red, err := machine.Way(addr, "red", netip.MustParseAddr(client))
		if err != nil {
			return err
		}
		here, err := machine.Way(addr, "", netip.Addr{})
		if red != fromRed || here != own {
			l.t.Errorf("%s: from the VRF by %q, from the node by %q, want %q and %q", pod, red, here, fromRed, own)
		}
		return err
	})
}

// What arrives in a VRF is forwarded to pods and answered once the VRF knows a
// way to the pods and the node a way back, as docs/bgp.md says; one of the two is
// not enough.
func TestKernelForwardFromVRF(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.moveToRed()
	l.settle(l.client, "[2001:db8:1::1]:9")
	for _, s := range []space{l.pod1, l.pod3} {
		l.serve(s, 8080)
	}
	w, f := newWorld(), l.forwarder()
	w.service("near", vip4+" "+vip6, "tcp:80:30080 udp:53:30053")
	w.endpoints("near", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("far", "198.51.100.11 2001:db8:100::11", "tcp:80:30081 udp:53:30054")
	w.endpoints("far", "10.2.1.1:8080@node2 [fd02:1::1]:8080@node2")
	w.service("none", "198.51.100.12 2001:db8:100::12", "tcp:80:30082")
	w.endpoints("none", "")
	apply(t, f, w)
	closed := func(what string) {
		t.Helper()
		for _, addr := range []string{vip4 + ":80", "[" + vip6 + "]:80"} {
			if got := l.get(l.client, "tcp", addr); got == "pod1 192.0.2.2" || got == "pod1 2001:db8:1::2" {
				t.Errorf("%s: %s is served: the test shows nothing", what, addr)
			}
		}
	}
	closed("without any route")
	// back to the client: its network is all that the VRF knows
	l.leavesBy("10.1.1.1", "192.0.2.2", "client", "pod1")
	l.leavesBy("fd01:1::1", "2001:db8:1::2", "client", "pod1")
	l.routes("100 10.1.1.0/24 - pod1", "100 10.2.0.0/16 10.0.0.2 node2", "100 fd01:1::/64 - pod1", "100 fd02::/16 fd00::2 node2")
	closed("without a way back")
	l.leavesBy("10.1.1.1", "192.0.2.2", "pod1", "pod1")
	l.leavesBy("fd01:1::1", "2001:db8:1::2", "pod1", "pod1")
	l.routes("254 192.0.2.0/24 - red", "254 2001:db8:1::/64 - red")

	for n, port := range map[string]string{"tcp": ":80", "udp": ":53"} {
		l.expect(l.client, n, vip4+port, "pod1 192.0.2.2")
		l.expect(l.client, n, "["+vip6+"]"+port, "pod1 2001:db8:1::2")
		l.expect(l.client, n, "198.51.100.11"+port, "pod3 10.0.0.1")
		l.expect(l.client, n, "[2001:db8:100::11]"+port, "pod3 fd00::1")
	}
	l.expect(l.client, "tcp", "198.51.100.12:80", "refused")
	l.expect(l.client, "tcp", "[2001:db8:100::12]:80", "refused")
}
