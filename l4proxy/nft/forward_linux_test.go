package nft

import (
	"testing"
)

const (
	vip4 = "198.51.100.10"
	vip6 = "2001:db8:100::10"
)

func TestForward(t *testing.T) {
	l := newLab(t)
	l.printRules()
	for _, s := range []space{l.pod1, l.pod2, l.pod3} {
		l.serve(s, 8080)
	}
	w, f := newWorld(), l.forwarder()
	w.service("near", vip4+" "+vip6, "tcp:80:30080 udp:53:30053")
	w.endpoints("near", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("far", "198.51.100.11 2001:db8:100::11 192.0.2.50", "tcp:80:30081 udp:53:30054")
	w.endpoints("far", "10.2.1.1:8080@node2 [fd02:1::1]:8080@node2")
	w.service("none", "198.51.100.12 2001:db8:100::12", "tcp:80:30082 udp:53:30055")
	w.endpoints("none", "")
	apply(t, f, w)

	for _, n := range []string{"tcp", "udp"} {
		port, nodePort, farNodePort := ":80", ":30080", ":30081"
		if n == "udp" {
			port, nodePort, farNodePort = ":53", ":30053", ":30054"
		}
		l.expect(l.client, n, vip4+port, "pod1 192.0.2.2")
		l.expect(l.client, n, "["+vip6+"]"+port, "pod1 2001:db8:1::2")
		l.expect(l.client, n, "192.0.2.1"+nodePort, "pod1 192.0.2.2")
		l.expect(l.client, n, "[2001:db8:1::1]"+nodePort, "pod1 2001:db8:1::2")
		// Masqueraded: pod3 sees the node's address towards node2.
		l.expect(l.client, n, "198.51.100.11"+port, "pod3 10.0.0.1")
		l.expect(l.client, n, "[2001:db8:100::11]"+port, "pod3 fd00::1")
		l.expect(l.client, n, "192.0.2.1"+farNodePort, "pod3 10.0.0.1")
		// Hairpin: pod1 reaches itself and sees its gateway.
		l.expect(l.pod1, n, vip4+port, "pod1 10.1.1.254")
		l.expect(l.pod1, n, "["+vip6+"]"+port, "pod1 fd01:1::fe")
		l.expect(l.pod2, n, vip4+port, "pod1 10.1.2.1")
		// From the node itself.
		l.expect(l.node, n, vip4+port, "pod1 192.0.2.1")
		l.expect(l.node, n, "["+vip6+"]"+port, "pod1 2001:db8:1::1")
		l.expect(l.node, n, "192.0.2.1"+nodePort, "pod1 192.0.2.1")
		l.expect(l.node, n, "198.51.100.11"+port, "pod3 10.0.0.1")
		// No endpoints, and ports that nobody serves.
		for _, s := range []space{l.client, l.node, l.pod1} {
			l.expect(s, n, "198.51.100.12"+port, "refused")
			l.expect(s, n, vip4+":81", "refused")
			l.expect(s, n, "["+vip6+"]:81", "refused")
		}
		l.expect(l.client, n, "[2001:db8:100::12]"+port, "refused")
	}
	// On the link, by a neighbour entry instead of a route.
	l.neighbour(l.client, "node", l.node, "client", "192.0.2.50")
	l.expect(l.client, "tcp", "192.0.2.50:80", "pod3 10.0.0.1")
	l.expect(l.client, "tcp", "192.0.2.1:30082", "refused")
	l.expect(l.client, "udp", "192.0.2.1:30055", "refused")
}
