package nft

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/nftables"
)

func TestSwap(t *testing.T) {
	for _, n := range []string{"udp", "tcp"} {
		for _, addr := range []string{vip4 + ":80", "[" + vip6 + "]:80"} {
			t.Run(n+" "+addr, func(t *testing.T) { testSwap(t, n, addr) })
		}
	}
}

// testSwap moves a Service from pod1 to pod2 under an open flow.
func testSwap(t *testing.T, network, addr string) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod2, 8080)
	w, f := newWorld(), l.forwarder()
	w.service("s", vip4+" "+vip6, network+":80")
	const one, two = "10.1.1.1:8080@node%[1]s [fd01:1::1]:8080@node%[1]s ", "10.1.2.1:8080@node [fd01:2::1]:8080@node"
	w.endpoints("s", fmt.Sprintf(one, ""))
	apply(t, f, w)
	c, err := l.dial(l.client, network, "", addr)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(want string) {
		t.Helper()
		got, err := ask(c)
		if name, _, _ := strings.Cut(got, " "); name != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	answer("pod1")
	w.endpoints("s", fmt.Sprintf(one, "~")+two) // pod1 terminates
	apply(t, f, w)
	answer("pod1")
	if got := l.get(l.client, network, addr); !strings.HasPrefix(got, "pod2") {
		t.Errorf("a new flow reached %q", got)
	}
	w.endpoints("s", two) // pod1 is gone
	apply(t, f, w)
	if network == "udp" {
		answer("pod2")
		return
	}
	if got, err := ask(c); outcome(err) != "reset" {
		t.Errorf("connection to a vanished pod: got %q, %v; want a reset", got, err)
	}
}

// TestUDPBeforeService: a client that talks to a port before anyone serves it
// must not be stuck with what conntrack learnt then.
func TestUDPBeforeService(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	w, f := newWorld(), l.forwarder()
	apply(t, f, w)
	c, err := l.dial(l.client, "udp", "", "192.0.2.1:30053")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(c); outcome(err) != "refused" {
		t.Fatalf("before: %q %v", got, err)
	}
	w.service("s", vip4, "udp:53:30053")
	w.endpoints("s", "10.1.1.1:8080@node")
	apply(t, f, w)
	if got, err := ask(c); got != "pod1 192.0.2.2" {
		t.Errorf("after: %q, %v", got, err)
	}
}

// TestRestart: a new process takes over the table of the old one, corrects it,
// and no connection notices.
func TestRestart(t *testing.T) {
	l := newLab(t)
	l.printRules()
	for _, s := range []space{l.pod1, l.pod2, l.pod3} {
		l.serve(s, 8080)
	}
	w := newWorld()
	w.service("s", vip4+" "+vip6, "tcp:80")
	w.endpoints("s", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("far", "198.51.100.11", "tcp:80")
	w.endpoints("far", "10.2.1.1:8080@node2")
	w.service("stale", "198.51.100.12", "tcp:80")
	w.endpoints("stale", "10.1.1.1:8080@node")
	apply(t, l.forwarder(), w)
	talk := l.keepTalking(vip4+":80", "["+vip6+"]:80", "198.51.100.11:80")

	w.delete("stale")
	w.service("new", "198.51.100.13", "tcp:80")
	w.endpoints("new", "10.1.2.1:8080@node")
	f := l.forwarder()
	if f.Ready() || f.Programmed(netip.MustParseAddr(vip4)) {
		t.Error("ready before the first table")
	}
	apply(t, f, w)
	if !f.Ready() || !f.Programmed(netip.MustParseAddr(vip4)) || f.Programmed(netip.MustParseAddr("198.51.100.12")) {
		t.Error("wrong addresses reported after the first table")
	}
	l.sameAsKernel(f, w.table())
	l.expect(l.client, "tcp", "198.51.100.12:80", "silence") // neither served nor ours
	l.expect(l.client, "tcp", "198.51.100.13:80", "pod2 192.0.2.2")

	// Rules of another version are replaced and the elements kept.
	l.renameMarker()
	f = l.forwarder()
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
	l.expect(l.client, "tcp", "198.51.100.13:80", "pod2 192.0.2.2")
	talk()
}

// TestResync: somebody empties our sets, or deletes the table, behind our back.
func TestResync(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080)
	l.serve(l.pod2, 8080)
	w, f := newWorld(), l.forwarder()
	w.service("s", vip4, "tcp:80")
	for i, breakIt := range []func(*nftables.Conn){
		func(c *nftables.Conn) { c.FlushSet(f.families[0].backends[0]) },
		func(c *nftables.Conn) { c.DelTable(f.families[0].table) },
		func(c *nftables.Conn) { c.FlushRuleset() },
	} {
		w.endpoints("s", "10.1.1.1:8080@node")
		apply(t, f, w)
		conn, err := (&kernel{netns: int(l.node.ns)}).open()
		if err != nil {
			t.Fatal(err)
		}
		breakIt(conn)
		if err := conn.Flush(); err != nil {
			t.Fatal(i, err)
		}
		w.endpoints("s", "10.1.2.1:8080@node")
		apply(t, f, w)
		l.sameAsKernel(f, w.table())
		l.expect(l.client, "tcp", vip4+":80", "pod2 192.0.2.2")
	}
}

func TestRemove(t *testing.T) {
	l := newLab(t)
	w, f := newWorld(), l.forwarder()
	if err := f.Remove(); err != nil {
		t.Fatal("nothing to remove:", err)
	}
	w.service("s", vip4+" "+vip6, "tcp:80")
	w.endpoints("s", "10.1.1.1:8080@node")
	apply(t, f, w)
	if chainsOf(t, l) == 0 {
		t.Fatal("no chains in the kernel")
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if n := chainsOf(t, l); n != 0 || f.Ready() {
		t.Errorf("%d chains left, ready %t", n, f.Ready())
	}
	apply(t, f, w) // and it can come back
	l.sameAsKernel(f, w.table())
}

// TestUDPTargetPort: a client that keeps its source port follows the Service to
// another port of the same pod.
func TestUDPTargetPort(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(space{name: "old", ns: l.pod1.ns}, 8080)
	l.serve(space{name: "new", ns: l.pod1.ns}, 8081)
	w, f := newWorld(), l.forwarder()
	w.service("s", vip4, "udp:53:30053")
	w.endpoints("s", "10.1.1.1:8080@node")
	apply(t, f, w)
	for _, addr := range []string{vip4 + ":53", "192.0.2.1:30053"} {
		w.endpoints("s", "10.1.1.1:8080@node")
		apply(t, f, w)
		c, err := l.dial(l.client, "udp", "", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ask(c); got != "old 192.0.2.2" {
			t.Fatalf("%s: got %q, %v", addr, got, err)
		}
		w.endpoints("s", "10.1.1.1:8081@node")
		apply(t, f, w)
		if got, err := ask(c); got != "new 192.0.2.2" {
			t.Errorf("%s: got %q, %v after the change", addr, got, err)
		}
	}
}
