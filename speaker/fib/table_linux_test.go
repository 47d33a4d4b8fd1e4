package fib

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/speaker/announce"
	"github.com/steelyard-lb/steelyard/speaker/testlab"
)

// node is a host with one link and a table, whose Run the tests do themselves.
type node struct {
	*Table
	t  *testing.T
	ns netns.NsHandle
}

func newNode(t *testing.T) *node {
	n := &node{t: t, ns: testlab.NewNS(t)}
	n.do(func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "peer"}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add link: %w", err)
		}
		for _, name := range []string{"eth0", "peer"} {
			link, err := netlink.LinkByName(name)
			if err == nil {
				err = netlink.LinkSetUp(link)
			}
			if err != nil {
				return err
			}
		}
		for _, text := range []string{"10.9.0.11/24", "2001:db8:9::11/64", "fe80::11/64"} {
			addr, err := netlink.ParseAddr(text)
			if err != nil {
				return err
			}
			addr.Flags = unix.IFA_F_NODAD
			if err := netlink.AddrAdd(veth, addr); err != nil {
				return err
			}
		}
		return nil
	})
	n.restart()
	return n
}

// restart is a new process on the node.
func (n *node) restart() {
	n.t.Helper()
	n.do(func() (err error) {
		n.Table, err = New(log.NewNopLogger())
		return err
	})
}

func (n *node) do(f func() error) {
	n.t.Helper()
	testlab.In(n.t, n.ns, f)
}

// foreign is a route of another program: prefix, next hop, metric.
func (n *node) foreign(prefix, via string, metric int) {
	n.t.Helper()
	n.do(func() error {
		r := &netlink.Route{Dst: networkOf(netip.MustParsePrefix(prefix)), Gw: netip.MustParseAddr(via).AsSlice(), Priority: metric, Protocol: 11}
		return netlink.RouteAdd(r)
	})
}

// has compares the routes with next hops on the node, each as prefix, next hops,
// protocol and metric.
func (n *node) has(want ...string) {
	n.t.Helper()
	var got []string
	n.do(func() error {
		routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
		for _, r := range routes {
			prefix, ok := prefixOf(r)
			if via := n.viaOf(r); ok && len(via) > 0 {
				got = append(got, fmt.Sprintf("%v via %s proto %d metric %d", prefix, strings.Trim(fmt.Sprint(via), "[]"), r.Protocol, r.Priority))
			}
		}
		return err
	})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		n.t.Errorf("routes:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// to makes ways: "PREFIX HOP HOP…" each.
func to(list ...string) (out []announce.Way) {
	for _, text := range list {
		fields := strings.Fields(text)
		w := announce.Way{Prefix: netip.MustParsePrefix(fields[0]), Peers: []string{"left", "right"}}
		for _, hop := range fields[1:] {
			w.Via = append(w.Via, netip.MustParseAddr(hop))
		}
		out = append(out, w)
	}
	return out
}

func TestRoutesFollowTheWays(t *testing.T) {
	n := newNode(t)
	step := func(ways []announce.Way, want ...string) {
		t.Helper()
		n.settle(plan{ways, true})
		if n.has(want...); n.Problems() != nil {
			t.Errorf("problems: %v", n.Problems())
		}
	}
	step(to("0.0.0.0/0 10.9.0.1", "10.1.0.0/16 10.9.0.1", "::/0 2001:db8:9::1", "2001:db8:1::/48 fe80::1%eth0"),
		"0.0.0.0/0 via 10.9.0.1 proto 83 metric 20", "10.1.0.0/16 via 10.9.0.1 proto 83 metric 20",
		"::/0 via 2001:db8:9::1 proto 83 metric 20", "2001:db8:1::/48 via fe80::1%eth0 proto 83 metric 20")
	step(to("10.1.0.0/16 10.9.0.1 10.9.0.2", "10.2.0.0/16 fe80::1%eth0", "2001:db8:1::/48 2001:db8:9::1 2001:db8:9::2"),
		"10.1.0.0/16 via 10.9.0.1 10.9.0.2 proto 83 metric 20", "10.2.0.0/16 via fe80::1%eth0 proto 83 metric 20",
		"2001:db8:1::/48 via 2001:db8:9::1 2001:db8:9::2 proto 83 metric 20")
	step(to("10.1.0.0/16 10.9.0.2", "2001:db8:1::/48 2001:db8:9::2"),
		"10.1.0.0/16 via 10.9.0.2 proto 83 metric 20", "2001:db8:1::/48 via 2001:db8:9::2 proto 83 metric 20")
	step(nil)
}

// What others have put into the table is neither replaced nor removed.
func TestOthersRoutesStay(t *testing.T) {
	n := newNode(t)
	n.foreign("10.1.0.0/16", "10.9.0.5", Metric)
	n.foreign("2001:db8:1::/48", "2001:db8:9::5", Metric)
	n.foreign("10.2.0.0/16", "10.9.0.5", 0)
	others := []string{"10.1.0.0/16 via 10.9.0.5 proto 11 metric 20", "2001:db8:1::/48 via 2001:db8:9::5 proto 11 metric 20", "10.2.0.0/16 via 10.9.0.5 proto 11 metric 0"}
	ways := to("10.1.0.0/16 10.9.0.1", "10.2.0.0/16 10.9.0.1", "2001:db8:1::/48 2001:db8:9::1")
	for range 2 {
		n.settle(plan{ways, true})
		n.has(append(others, "10.2.0.0/16 via 10.9.0.1 proto 83 metric 20")...)
		if p := fmt.Sprint(n.Problems()); len(n.Problems()) != 2 || !strings.Contains(p, "10.1.0.0/16") || !strings.Contains(p, "protocol 11") {
			t.Errorf("problems: %s", p)
		}
	}
	n.settle(plan{nil, true})
	n.has(others...)
	if n.Problems() != nil {
		t.Errorf("problems: %v", n.Problems())
	}
}

// A process finds what the one before it has left, and removes what of it is not
// wanted once its routers have said all.
func TestLeftoversGoWhenAllIsSaid(t *testing.T) {
	n := newNode(t)
	one, two := "10.1.0.0/16 via 10.9.0.1 proto 83 metric 20", "2001:db8:1::/48 via 2001:db8:9::1 proto 83 metric 20"
	n.settle(plan{to("10.1.0.0/16 10.9.0.1", "2001:db8:1::/48 2001:db8:9::1"), true})
	n.restart()
	n.settle(plan{nil, false})
	n.has(one, two)
	n.settle(plan{to("10.1.0.0/16 10.9.0.1"), false})
	n.has(one, two)
	n.settle(plan{nil, false}) // what this process had is gone, though others may come
	n.has(two)
	n.settle(plan{nil, true})
	n.has()
}

func TestRefusedRouteIsNamed(t *testing.T) {
	n := newNode(t)
	var ways []announce.Way
	for i := range 5 {
		ways = append(ways, to(fmt.Sprintf("10.%d.0.0/16 10.77.0.1", i+1))...)
	}
	n.settle(plan{append(ways, to("10.8.0.0/16 10.9.0.1")...), true})
	n.has("10.8.0.0/16 via 10.9.0.1 proto 83 metric 20")
	if p := strings.Join(n.Problems(), "\n"); len(n.Problems()) != 4 || !strings.Contains(p, "BGPPeer left, right: spec.toReceive: route to 10.1.0.0/16") || !strings.Contains(p, "on no link of this node") || !strings.Contains(p, "and 2 more") {
		t.Errorf("problems: %s", p)
	}
	select {
	case <-n.Changed():
	default:
		t.Error("nobody is told of the problems")
	}
}

// Run brings routes back that the kernel dropped with a link; after Remove there
// are none, and none come.
func TestRunAndRemove(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	ways := to("10.1.0.0/16 10.9.0.1")
	there := func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		found, err := n.read()
		return err == nil && len(found.ours) == 1
	}
	n.Apply(ways, true)
	testlab.Eventually(t, 5*time.Second, "the route", there)
	for _, set := range []func(netlink.Link) error{netlink.LinkSetDown, netlink.LinkSetUp} {
		n.do(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return set(link)
		})
	}
	if there() {
		t.Error("the kernel has kept the route: the test shows nothing")
	}
	testlab.Eventually(t, 4*lookEvery, "the route again", there)
	if err := n.Remove(); err != nil {
		t.Error(err)
	}
	n.Apply(to("10.2.0.0/16 10.9.0.1"), true)
	n.settle(plan{to("10.3.0.0/16 10.9.0.1"), true})
	n.has()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
