package nft

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

// movedLab is a LAN on which an address moves from one node to another:
//
//	client ─┬─ before ── pod1
//	switch  ├─ now
//	        └─ pod3
//
// Forwarders of both nodes serve the same Services.
type movedLab struct {
	*lab
	sw, before, now space
	w               *world
	table           map[string]func(l4proxy.Chances) l4proxy.Table // by name of the node
	of              map[string]*Forwarder
	mac             map[string]l4proxy.MAC
	link            map[string]int // of the LAN
}

// lanLink is the name of everybody's link to the LAN.
const lanLink = "lan"

// An address on the LAN in each family, and the LAN's addresses of the nodes.
const (
	lanVIP4, lanVIP6 = "192.0.2.50", "2001:db8:100::50"
	before4, before6 = "192.0.2.1", "2001:db8:100::1"
	now4, now6       = "192.0.2.2", "2001:db8:100::2"
)

func newMovedLab(t *testing.T) *movedLab {
	l := &movedLab{lab: &lab{t: t}, w: newWorld(), table: map[string]func(l4proxy.Chances) l4proxy.Table{},
		of: map[string]*Forwarder{}, mac: map[string]l4proxy.MAC{}, link: map[string]int{}}
	for name, s := range map[string]*space{"client": &l.client, "before": &l.before, "now": &l.now,
		"pod1": &l.pod1, "pod3": &l.pod3, "switch": &l.sw} {
		*s = newSpace(t, name)
	}
	l.node = l.now
	l.printRules()
	l.sw.in(t, func() error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}
		if err := netlink.LinkAdd(br); err != nil {
			return err
		}
		return netlink.LinkSetUp(br)
	})
	l.plug(l.client, "192.0.2.9/24", "2001:db8:100::9/64")
	l.plug(l.before, before4+"/24", before6+"/64")
	l.plug(l.now, now4+"/24", now6+"/64")
	l.plug(l.pod3, "192.0.2.3/24", "2001:db8:100::3/64")
	l.wire(l.pod1, l.before, "10.1.1.1/24 10.1.1.254/24 fd01:1::1/64 fd01:1::fe/64")
	l.route(l.pod1, "0.0.0.0/0 10.1.1.254 ::/0 fd01:1::fe")
	l.route(l.now, "10.1.1.0/24 "+before4+" fd01:1::/64 "+before6)
	for _, s := range []space{l.before, l.now} {
		s.sysctl(t, "net/ipv4/ip_forward", "1")
		s.sysctl(t, "net/ipv6/conf/all/forwarding", "1")
		s.sysctl(t, "net/ipv4/icmp_ratelimit", "0")
		s.sysctl(t, "net/ipv6/icmp/ratelimit", "0")
	}
	l.settle(l.client, "["+before6+"]:9", "["+now6+"]:9", "[2001:db8:100::3]:9")
	l.settle(l.before, "[fd01:1::1]:9", "[2001:db8:100::3]:9", "["+now6+"]:9")
	l.settle(l.now, "[fd01:1::1]:9", "[2001:db8:100::3]:9")
	l.serve(l.pod1, 8080)
	l.serve(l.pod3, 8080)
	l.w.service("near", lanVIP4+" "+lanVIP6, "tcp:80")
	l.w.endpoints("near", "10.1.1.1:8080@before [fd01:1::1]:8080@before")
	l.w.service("far", "192.0.2.51 2001:db8:100::51", "tcp:80")
	l.w.endpoints("far", "192.0.2.3:8080@third [2001:db8:100::3]:8080@third")
	l.load(l.before, before4, before6)
	l.load(l.now, now4, now6)
	return l
}

// plug connects s to the switch.
func (l *movedLab) plug(s space, addrs ...string) {
	l.t.Helper()
	s.in(l.t, func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: lanLink}, PeerName: s.name, PeerNamespace: netlink.NsFd(l.sw.ns)}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("cable of %s: %w", s.name, err)
		}
		if err := setAddrs(lanLink, addrs...); err != nil {
			return err
		}
		dev, err := netlink.LinkByName(lanLink)
		if err == nil {
			l.mac[s.name], l.link[s.name] = l4proxy.MAC(dev.Attrs().HardwareAddr), dev.Attrs().Index
		}
		return err
	})
	l.sw.in(l.t, func() error {
		port, err := netlink.LinkByName(s.name)
		if err != nil {
			return err
		}
		br, err := netlink.LinkByName("br")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMaster(port, br); err != nil {
			return err
		}
		return netlink.LinkSetUp(port)
	})
}

// load gives a node its forwarder and a table without second chances.
func (l *movedLab) load(s space, v4, v6 string) {
	l.t.Helper()
	l.table[s.name] = func(c l4proxy.Chances) l4proxy.Table {
		return l.w.tableOf(s.name, c, netip.MustParseAddr(v4), netip.MustParseAddr(v6))
	}
	l.of[s.name] = l.forwarderOf(s)
	l.give(s, l4proxy.Chances{})
}

// give makes c the second chances at a node.
func (l *movedLab) give(s space, c l4proxy.Chances) {
	l.t.Helper()
	if err := l.of[s.name].Apply(l.table[s.name](c)); err != nil {
		l.t.Fatal(err)
	}
}

// chances lead from both nodes' Services to the node with these addresses, and
// name the LAN interface of the nodes.
func (l *movedLab) chances(v4, v6 string, nodes ...space) l4proxy.Chances {
	index := l.link["now"] // and of the node before, which is made alike
	c := l4proxy.Chances{Hops: map[netip.Addr]l4proxy.Hop{}}
	for _, a := range []string{lanVIP4, "192.0.2.51"} {
		c.Hops[netip.MustParseAddr(a)] = l4proxy.Hop{Addr: netip.MustParseAddr(v4), Link: index}
	}
	for _, a := range []string{lanVIP6, "2001:db8:100::51"} {
		c.Hops[netip.MustParseAddr(a)] = l4proxy.Hop{Addr: netip.MustParseAddr(v6), Link: index}
	}
	for _, s := range nodes {
		c.Nodes = append(c.Nodes, l.mac[s.name])
	}
	return c
}

// move makes s believe that the node has the external addresses.
func (l *movedLab) move(s, node space) {
	l.t.Helper()
	mac := l.mac[node.name]
	s.in(l.t, func() error {
		dev, err := netlink.LinkByName(lanLink)
		if err != nil {
			return err
		}
		for _, a := range []string{lanVIP4, lanVIP6, "192.0.2.51", "2001:db8:100::51"} {
			if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: dev.Attrs().Index, State: unix.NUD_PERMANENT,
				IP: net.ParseIP(a), HardwareAddr: mac[:]}); err != nil {
				return err
			}
		}
		return nil
	})
}

// open connects through a node and moves the address to the other one.
func (l *movedLab) open(addr string) net.Conn {
	l.t.Helper()
	l.move(l.client, l.before)
	c, err := l.dial(l.client, "tcp", "", addr)
	if err != nil {
		l.t.Fatal(err)
	}
	if got, err := ask(c); err != nil {
		l.t.Fatalf("before the move: %q, %v", got, err)
	}
	l.move(l.client, l.now)
	return c
}

// alive checks that a connection goes on, broken that it does not.
func (l *movedLab) alive(c net.Conn) {
	l.t.Helper()
	for range 5 {
		if got, err := ask(c); err != nil {
			l.t.Errorf("%v: an open connection broke: %q, %v", c.RemoteAddr(), got, err)
			return
		}
	}
}

// pour sends more than buffers take, in packets as large as the kernel makes.
func (l *movedLab) pour(c net.Conn) {
	l.t.Helper()
	go func() { _, _ = io.Copy(io.Discard, c) }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	for range 256 {
		if _, err := c.Write(make([]byte, 64<<10)); err != nil {
			l.t.Errorf("%v: much to send: %v", c.RemoteAddr(), err)
			return
		}
	}
}

func (l *movedLab) broken(c net.Conn) {
	l.t.Helper()
	if got, err := ask(c); outcome(err) != "reset" {
		l.t.Errorf("%v: got %q, %v of a connection that nobody knows; want a reset", c.RemoteAddr(), got, err)
	}
}

// count counts the packets to the external addresses that s gets from a node.
func (l *movedLab) count(s, from space) func() int {
	l.t.Helper()
	mac := l.mac[from.name]
	l.nft(s, fmt.Sprintf(`table inet watch {
		chain c {
			type filter hook prerouting priority -400;
			ether saddr %[1]s ip daddr 192.0.2.50/31 counter
			ether saddr %[1]s ip6 daddr 2001:db8:100::50/127 counter
		}
	}`, net.HardwareAddr(mac[:])))
	return func() int {
		l.t.Helper()
		n := 0
		s.in(l.t, func() error {
			out, err := exec.Command("nft", "list", "table", "inet", "watch").CombinedOutput()
			for _, m := range regexp.MustCompile(`packets (\d+)`).FindAllStringSubmatch(string(out), -1) {
				k, _ := strconv.Atoi(m[1])
				n += k
			}
			return err
		})
		return n
	}
}
