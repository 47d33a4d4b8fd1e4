package nft

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// lab is a small network of namespaces:
//
//	client ── node ─┬─ pod1
//	                ├─ pod2
//	                └─ node2 ── pod3
//
// node2 has no route to the client, so that an answer reaches it only through
// node. External addresses are on no interface; the client has a route to
// them and, for one, a neighbour entry.
type lab struct {
	t                                     testing.TB
	patience                              time.Duration // of clients that connect
	client, node, node2, pod1, pod2, pod3 space
}

type space struct {
	name string
	ns   netns.NsHandle
}

func newLab(t testing.TB) *lab {
	l := &lab{t: t, patience: 1500 * time.Millisecond}
	for name, s := range map[string]*space{"client": &l.client, "node": &l.node, "node2": &l.node2,
		"pod1": &l.pod1, "pod2": &l.pod2, "pod3": &l.pod3} {
		*s = newSpace(t, name)
	}
	l.wire(l.client, l.node, "192.0.2.2/24 192.0.2.1/24 2001:db8:1::2/64 2001:db8:1::1/64")
	l.wire(l.node, l.node2, "10.0.0.1/24 10.0.0.2/24 fd00::1/64 fd00::2/64")
	l.wire(l.pod1, l.node, "10.1.1.1/24 10.1.1.254/24 fd01:1::1/64 fd01:1::fe/64")
	l.wire(l.pod2, l.node, "10.1.2.1/24 10.1.2.254/24 fd01:2::1/64 fd01:2::fe/64")
	l.wire(l.pod3, l.node2, "10.2.1.1/24 10.2.1.254/24 fd02:1::1/64 fd02:1::fe/64")
	l.route(l.client, "198.51.100.0/24 192.0.2.1 2001:db8:100::/64 2001:db8:1::1")
	l.route(l.node, "10.2.0.0/16 10.0.0.2 fd02::/16 fd00::2 0.0.0.0/0 192.0.2.2 ::/0 2001:db8:1::2")
	l.route(l.node2, "10.1.0.0/16 10.0.0.1 fd01::/16 fd00::1")
	l.route(l.pod1, "0.0.0.0/0 10.1.1.254 ::/0 fd01:1::fe")
	l.route(l.pod2, "0.0.0.0/0 10.1.2.254 ::/0 fd01:2::fe")
	l.route(l.pod3, "0.0.0.0/0 10.2.1.254 ::/0 fd02:1::fe")
	for _, s := range []space{l.node, l.node2} {
		s.sysctl(t, "net/ipv4/ip_forward", "1")
		s.sysctl(t, "net/ipv6/conf/all/forwarding", "1")
		// Tests provoke more unreachables than a host may send in a second.
		s.sysctl(t, "net/ipv4/icmp_ratelimit", "0")
		s.sysctl(t, "net/ipv6/icmp/ratelimit", "0")
	}
	l.settle(l.client, "[2001:db8:1::1]:9")
	l.settle(l.node, "[2001:db8:1::2]:9", "[fd01:1::1]:9", "[fd01:2::1]:9", "[fd02:1::1]:9")
	l.settle(l.node2, "[fd02:1::1]:9", "[fd00::1]:9")
	return l
}

// settle waits until IPv6 works on fresh links, which takes the kernel a
// while: until a closed port answers.
func (l *lab) settle(s space, addrs ...string) {
	l.t.Helper()
	for _, a := range addrs {
		for try := 0; ; try++ {
			c, err := l.dial(s, "udp", "", a)
			if err == nil {
				_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
				_, _ = c.Write([]byte("?"))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if outcome(err) == "refused" {
				break
			}
			if try == 100 {
				l.t.Fatalf("%s does not reach %s: %v", s.name, a, err)
			}
		}
	}
}

func newSpace(t testing.TB, name string) space {
	s := space{name: name}
	onThread(t, func() error {
		ns, err := netns.New()
		if err != nil {
			return err
		}
		s.ns = ns
		// Without duplicate address detection IPv6 works at once.
		for _, conf := range []string{"all", "default"} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/accept_dad", []byte("0"), 0); err != nil {
				return err
			}
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	t.Cleanup(func() { s.ns.Close() })
	return s
}

// onThread runs fn on a thread of its own, which dies with it.
func onThread(t testing.TB, fn func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread's namespace is spoilt
		done <- fn()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// in runs fn in the namespace.
func (s space) in(t testing.TB, fn func() error) {
	t.Helper()
	onThread(t, func() error {
		if err := netns.Set(s.ns); err != nil {
			return fmt.Errorf("enter %s: %w", s.name, err)
		}
		return fn()
	})
}

func (s space) sysctl(t testing.TB, name, value string) {
	t.Helper()
	s.in(t, func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0) })
}

// wire joins two namespaces by a veth pair; addrs are v4 of a, of b, v6 of a, of b.
func (l *lab) wire(a, b space, addrs string) {
	l.t.Helper()
	list := strings.Fields(addrs)
	a.in(l.t, func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: b.name}, PeerName: a.name, PeerNamespace: netlink.NsFd(b.ns)}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("veth %s-%s: %w", a.name, b.name, err)
		}
		return setAddrs(b.name, list[0], list[2])
	})
	b.in(l.t, func() error { return setAddrs(a.name, list[1], list[3]) })
}

func setAddrs(link string, addrs ...string) error {
	dev, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if strings.Contains(a, ":") {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(dev, addr); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	return netlink.LinkSetUp(dev)
}

// route adds routes, given as prefix and gateway in turn.
func (l *lab) route(s space, pairs string) {
	l.t.Helper()
	list := strings.Fields(pairs)
	s.in(l.t, func() error {
		for ; len(list) > 1; list = list[2:] {
			_, dst, err := net.ParseCIDR(list[0])
			if err != nil {
				return err
			}
			if err := netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(list[1])}); err != nil {
				return fmt.Errorf("%s: route %s via %s: %w", s.name, list[0], list[1], err)
			}
		}
		return nil
	})
}

// neighbour lets s reach addr on the link, as an ARP answer would.
func (l *lab) neighbour(s space, link string, peer space, peerLink, addr string) {
	l.t.Helper()
	var mac net.HardwareAddr
	peer.in(l.t, func() error {
		dev, err := netlink.LinkByName(peerLink)
		if err == nil {
			mac = dev.Attrs().HardwareAddr
		}
		return err
	})
	s.in(l.t, func() error {
		dev, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		return netlink.NeighAdd(&netlink.Neigh{LinkIndex: dev.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: net.ParseIP(addr), HardwareAddr: mac})
	})
}

// printRules shows the node's rules when the test failed.
func (l *lab) printRules() {
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.node.in(l.t, func() error {
				out, err := exec.Command("nft", "-t", "list", "ruleset").CombinedOutput()
				l.t.Logf("rules of the node (%v):\n%.20000s", err, out)
				return nil
			})
		}
	})
}

// nft loads rules that are not ours.
func (l *lab) nft(s space, rules string) {
	l.t.Helper()
	s.in(l.t, func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}
