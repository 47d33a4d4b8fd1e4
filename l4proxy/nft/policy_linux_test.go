package nft

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

func TestLocalPolicy(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod3, 8080)
	w, f := newWorld(), l.forwarder()
	w.service("both", vip4+" "+vip6, "tcp:80:30080 udp:53:30053", local)
	w.endpoints("both", "10.1.1.1:8080@node [fd01:1::1]:8080@node 10.2.1.1:8080@node2 [fd02:1::1]:8080@node2")
	w.service("away", "198.51.100.11", "tcp:80:30081 udp:53", local)
	w.endpoints("away", "10.2.1.1:8080@node2")
	w.service("none", "198.51.100.12", "tcp:80", local)
	w.endpoints("none", "")
	apply(t, f, w)
	for range 8 { // with Cluster, some of these would reach pod3
		l.expect(l.client, "tcp", vip4+":80", "pod1 192.0.2.2")
		l.expect(l.client, "udp", "["+vip6+"]:53", "pod1 2001:db8:1::2")
		l.expect(l.client, "tcp", "192.0.2.1:30080", "pod1 192.0.2.2")
	}
	l.expect(l.client, "tcp", "198.51.100.11:80", "silence")
	l.expect(l.client, "udp", "198.51.100.11:53", "silence")
	l.expect(l.client, "tcp", "192.0.2.1:30081", "silence")
	l.expect(l.client, "tcp", "198.51.100.12:80", "refused")
}

// TestEndpointAtAnExternalAddress checks that a connection whose endpoint is an
// external address ends here, instead of going round between the nodes.
func TestEndpointAtAnExternalAddress(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	w, f := newWorld(), l.forwarder()
	w.service("served", "198.51.100.12 2001:db8:100::12", "tcp:80 udp:53")
	w.endpoints("served", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("circle", vip4+" "+vip6, "tcp:80 udp:53")
	for _, port := range []string{"80", "53", "8080"} { // of which some are served there, and some are not
		w.endpoints("circle", "198.51.100.12:"+port+"@node2 [2001:db8:100::12]:"+port+"@node2")
		apply(t, f, w)
		l.expect(l.client, "tcp", vip4+":80", "refused")
		l.expect(l.client, "tcp", "["+vip6+"]:80", "refused")
		l.expect(l.client, "udp", vip4+":53", "refused")
		l.expect(l.node, "tcp", vip4+":80", "refused")
	}
	l.expect(l.client, "tcp", "198.51.100.12:80", "pod1 192.0.2.2")
}

func TestSourceRanges(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	w, f := newWorld(), l.forwarder()
	restrict := func(list string) {
		w.service("r", vip4+" "+vip6, "tcp:80:30080", func(s *config.Service) { s.SourceRanges = prefixes(list) })
		w.endpoints("r", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
		apply(t, f, w)
	}
	restrict("192.0.2.0/29 203.0.113.0/24")
	l.expect(l.client, "tcp", vip4+":80", "pod1 192.0.2.2")
	l.expect(l.pod2, "tcp", vip4+":80", "silence")
	l.expect(l.client, "tcp", "["+vip6+"]:80", "silence")
	l.expect(l.client, "tcp", "192.0.2.1:30080", "pod1 192.0.2.2") // not a load balancer address
	restrict("10.1.2.0/24 2001:db8:1::2/128")
	l.expect(l.client, "tcp", vip4+":80", "silence")
	l.expect(l.pod2, "tcp", vip4+":80", "pod1 10.1.2.1")
	l.expect(l.client, "tcp", "["+vip6+"]:80", "pod1 2001:db8:1::2")
	restrict("0.0.0.0/0 ::/0")
	l.expect(l.client, "tcp", vip4+":80", "pod1 192.0.2.2")
	l.expect(l.client, "tcp", "["+vip6+"]:80", "pod1 2001:db8:1::2")
	restrict("")
	l.expect(l.pod2, "tcp", vip4+":80", "pod1 10.1.2.1")
}

// TestSamePick checks that the kernel chooses the backend that the table says,
// for every rule variant: what makes all nodes agree.
func TestSamePick(t *testing.T) {
	l := newLab(t)
	l.printRules()
	ports := []int{9001, 9002, 9003, 9004, 9005}
	for _, p := range ports {
		l.serve(space{name: fmt.Sprint(p), ns: l.pod1.ns}, p)
	}
	w, f := newWorld(), l.forwarder()
	few, many := "", ""
	for i, p := range ports {
		few += fmt.Sprintf("10.1.1.1:%d@node [fd01:1::1]:%d@node ", p, p)
		for range 4 { // 20 endpoints are a table of 256 slots; four addresses of one pod
			i += len(ports)
			many += fmt.Sprintf("10.1.1.%d:%d@node [fd01:1::%x]:%d@node ", i, p, i, p)
		}
	}
	l.pod1.in(t, func() error {
		for i := 5; i < 30; i++ {
			if err := setAddrs("node", fmt.Sprintf("10.1.1.%d/24", i), fmt.Sprintf("fd01:1::%x/64", i)); err != nil {
				return err
			}
		}
		return nil
	})
	sticky := func(s *config.Service) { s.Affinity = time.Hour }
	ranges := func(s *config.Service) { s.SourceRanges = prefixes("192.0.2.0/24 2001:db8::/32") }
	for i, edit := range [][]func(*config.Service){{}, {sticky}, {ranges}, {sticky, ranges}} {
		for j, eps := range []string{few, many} {
			name := fmt.Sprintf("s%d%d", i, j)
			n := 20 + 2*i + j
			w.service(name, fmt.Sprintf("198.51.100.%d 2001:db8:100::%d", n, n), "tcp:80", edit...)
			w.endpoints(name, eps)
		}
	}
	apply(t, f, w)
	for target := range w.table().Frontends() {
		picked := map[string]bool{}
		for port := 40000; port < 40008; port++ {
			src := netip.MustParseAddrPort(fmt.Sprintf("192.0.2.2:%d", port))
			if target.Addr.Addr().Is6() {
				src = netip.MustParseAddrPort(fmt.Sprintf("[2001:db8:1::2]:%d", port))
			}
			want := w.table().Trace(l4proxy.Packet{Src: src, Dst: target.Addr, Proto: target.Proto})
			c, err := l.dial(l.client, "tcp", src.String(), target.Addr.String())
			if err != nil {
				t.Fatalf("%v from %v: %v", target, src, err)
			}
			got, err := ask(c)
			c.Close()
			if exp := fmt.Sprintf("%d %v", want.Backend.Port(), src.Addr()); err != nil || got != exp {
				t.Fatalf("%v from %v: the kernel chose %q (%v), the table says %q", target, src, got, err, exp)
			}
			picked[got] = true
		}
		group := w.table().Target(target).Group
		if group.Affinity != (len(picked) == 1) {
			t.Errorf("%v: affinity %t, but %d backends for one client", target, group.Affinity, len(picked))
		}
	}
}

// TestPing checks that an external address answers to ping, in both families
// and from the node itself. ping is the raw ICMP socket of net.
func TestPing(t *testing.T) {
	l := newLab(t)
	l.printRules()
	w, f := newWorld(), l.forwarder()
	w.service("s", vip4+" "+vip6, "tcp:80")
	w.endpoints("s", "10.1.1.1:8080@node")
	apply(t, f, w)
	for _, s := range []space{l.client, l.node, l.pod1} {
		for _, c := range []struct{ network, addr string }{{"ip4:icmp", vip4}, {"ip6:ipv6-icmp", vip6}} {
			if err := ping(l, s, c.network, c.addr); err != nil {
				t.Errorf("%s cannot ping %s: %v", s.name, c.addr, err)
			}
		}
	}
}

func ping(l *lab, s space, network, addr string) error {
	c, err := l.dial(s, network, "", addr)
	if err != nil {
		return err
	}
	echo, reply := []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}, byte(0) // checksum of these bytes
	if strings.HasPrefix(network, "ip6") {
		echo, reply = []byte{128, 0, 0, 0, 0, 1, 0, 1}, 129 // the kernel fills the checksum in
	}
	if _, err := c.Write(echo); err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 200)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if reply == 0 && n > 20 { // IPv4 comes with its header
			buf, n = buf[20:], n-20
		}
		if n > 0 && buf[0] == reply {
			return nil
		}
	}
}

// TestForeignTable puts a table like kube-proxy's beside ours: it translates
// the same address elsewhere, masquerades what it marks, and copies connection
// marks to packet marks. Ours come first, and its own address still works.
func TestForeignTable(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod2, 8080)
	l.nft(l.node, `
table ip kube-proxy {
	chain restore { type filter hook prerouting priority mangle; meta mark set ct mark
	}
	chain pre { type nat hook prerouting priority dstnat;
		ip daddr { 198.51.100.10, 10.96.0.1 } tcp dport 80 meta mark set meta mark or 0x4000 dnat to 10.1.2.1:8080
	}
	chain check { type filter hook prerouting priority dstnat - 10;
	}
	chain post { type nat hook postrouting priority srcnat; mark and 0x4000 == 0 return
		masquerade
	}
}`)
	l.route(l.client, "10.96.0.0/12 192.0.2.1")
	w, f := newWorld(), l.forwarder()
	w.service("s", vip4, "tcp:80")
	w.endpoints("s", "10.1.1.1:8080@node")
	apply(t, f, w)
	c, err := l.dial(l.client, "tcp", "", vip4+":80")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := ask(c); got != "pod1 192.0.2.2" {
			t.Errorf("our address: %q, %v", got, err)
		}
	}
	l.expect(l.client, "tcp", "10.96.0.1:80", "pod2 10.1.2.254")
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	l.expect(l.client, "tcp", "10.96.0.1:80", "pod2 10.1.2.254")
	l.expect(l.client, "tcp", vip4+":80", "pod2 10.1.2.254") // now the other table's
}

// chainsOf counts the chains of our tables in the node.
func chainsOf(t *testing.T, l *lab) int {
	conn, err := nftables.New(nftables.WithNetNSFd(int(l.node.ns)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := conn.ListChains()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range all {
		if strings.HasPrefix(c.Table.Name, TableName) { // the probe's table too
			n++
		}
	}
	return n
}
