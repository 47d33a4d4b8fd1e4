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

// Policy Local is about clients outside: pods of the node and the node itself
// use the endpoints of all nodes.
func TestLocalPolicyFromInside(t *testing.T) {
	l := newLab(t)
	l.printRules()
	for _, s := range []space{l.pod1, l.pod2, l.pod3} {
		l.serve(s, 8080)
	}
	w, f := newWorld(), l.forwarder()
	w.service("away", vip4+" "+vip6, "tcp:80:30080 udp:53:30053", local)
	w.endpoints("away", "10.2.1.1:8080@node2 [fd02:1::1]:8080@node2")
	w.service("none", "198.51.100.12", "tcp:80", local)
	w.endpoints("none", "")
	apply(t, f, w)
	for _, n := range []string{"tcp", "udp"} {
		port, nodePort := ":80", ":30080"
		if n == "udp" {
			port, nodePort = ":53", ":30053"
		}
		for _, s := range []space{l.pod1, l.pod2, l.node} {
			l.expect(s, n, vip4+port, "pod3 10.0.0.1")
			l.expect(s, n, "["+vip6+"]"+port, "pod3 fd00::1")
			l.expect(s, n, "192.0.2.1"+nodePort, "pod3 10.0.0.1")
		}
		l.expect(l.client, n, vip4+port, "silence")
		l.expect(l.client, n, "["+vip6+"]"+port, "silence")
		l.expect(l.client, n, "192.0.2.1"+nodePort, "silence")
	}
	for _, s := range []space{l.pod1, l.node, l.client} {
		l.expect(s, "tcp", "198.51.100.12:80", "refused")
		l.expect(s, "tcp", vip4+":81", "refused")
	}

	// A pod whose address is not known to be one is a client as any other.
	w.pods = nil
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
	l.expect(l.pod2, "tcp", vip4+":80", "silence")
	l.expect(l.node, "tcp", vip4+":80", "pod3 10.0.0.1")
	w.pods = prefixes("10.1.2.0/24")
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
	l.expect(l.pod1, "tcp", vip4+":80", "silence")
	l.expect(l.pod2, "tcp", vip4+":80", "pod3 10.0.0.1")

	// Back and forth between the policies.
	for _, edit := range []func(*config.Service){func(*config.Service) {}, local} {
		w.service("away", vip4+" "+vip6, "tcp:80:30080 udp:53:30053", edit)
		apply(t, f, w)
		l.sameAsKernel(f, w.table())
	}
	w.delete("away")
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
}

// TestSamePickFromInside checks, as TestSamePick, every variant of the rules
// for clients inside: the kernel chooses what the table says.
func TestSamePickFromInside(t *testing.T) {
	l := newLab(t)
	l.printRules()
	for _, s := range []space{l.pod1, l.pod3} {
		l.serve(s, 8080)
	}
	l.pod3.in(t, func() error {
		for i := 5; i < 30; i++ {
			if err := setAddrs("node2", fmt.Sprintf("10.2.1.%d/24", i)); err != nil {
				return err
			}
		}
		return nil
	})
	w, f := newWorld(), l.forwarder()
	few, many := "10.1.1.1:8080@node 10.2.1.1:8080@node2", "10.1.1.1:8080@node"
	for i := 5; i < 30; i++ {
		many += fmt.Sprintf(" 10.2.1.%d:8080@node2", i)
	}
	sticky := func(s *config.Service) { s.Affinity = time.Hour }
	ranges := func(s *config.Service) { s.SourceRanges = prefixes("10.1.2.0/24 192.0.2.0/24") }
	n := 20
	for _, edit := range [][]func(*config.Service){{local}, {local, sticky}, {local, ranges}, {local, sticky, ranges}} {
		for _, eps := range []string{few, many} {
			name := fmt.Sprint("s", n)
			w.service(name, fmt.Sprintf("198.51.100.%d", n), "tcp:80", edit...)
			w.endpoints(name, eps)
			n++
		}
	}
	apply(t, f, w)
	far := 0
	for target := range w.table().Frontends() {
		for port := 40000; port < 40008; port++ {
			for _, c := range []struct {
				from space
				addr string
			}{{l.pod2, "10.1.2.1"}, {l.client, "192.0.2.2"}} {
				src := netip.AddrPortFrom(netip.MustParseAddr(c.addr), uint16(port))
				want := w.table().Trace(l4proxy.Packet{Src: src, Dst: target.Addr, Proto: target.Proto})
				exp := "pod1 " + c.addr
				if want.Masquerade {
					exp = "pod3 10.0.0.1"
					far++
				}
				conn, err := l.dial(c.from, "tcp", src.String(), target.Addr.String())
				if err != nil {
					t.Fatalf("%v from %v: %v", target, src, err)
				}
				got, err := ask(conn)
				conn.Close()
				if err != nil || got != exp {
					t.Fatalf("%v from %v: the kernel chose %q (%v), the table says %q", target, src, got, err, exp)
				}
			}
		}
		l.expect(l.client, "tcp", target.Addr.String(), "pod1 192.0.2.2")
		if g := w.table().Target(target).Inside; g.Key.Restricted {
			l.expect(l.pod1, "tcp", target.Addr.String(), "silence") // in no source range
		}
	}
	if far == 0 {
		t.Error("no client inside was led to another node")
	}
}

// TestTableBeforeInside: a table of a version that knew no clients inside keeps
// its elements and gets what it lacks.
func TestTableBeforeInside(t *testing.T) {
	l := newLab(t)
	l.printRules()
	for _, s := range []space{l.pod1, l.pod3} {
		l.serve(s, 8080)
	}
	w, f := newWorld(), l.forwarder()
	w.service("s", vip4, "tcp:80", local)
	w.endpoints("s", "10.1.1.1:8080@node")
	apply(t, f, w)
	conn, err := (&kernel{netns: int(l.node.ns)}).open()
	if err != nil {
		t.Fatal(err)
	}
	fam := f.families[0]
	conn.FlushTable(fam.table)
	conn.DelSet(fam.inside.dispatch)
	for _, c := range fam.chains() {
		if strings.HasPrefix(c.name, "inside") {
			conn.DelChain(&nftables.Chain{Table: fam.table, Name: c.name})
		}
	}
	conn.DelSet(fam.inside.frontends)
	conn.DelSet(fam.pods)
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	l.renameMarker()
	if was, err := fam.shapeInKernel(conn); err != nil || !was.fits || was.sets[fam.pods.Name] {
		t.Fatalf("the table is %+v, %v", was, err)
	}
	f = l.forwarder()
	w.endpoints("s", "10.1.1.1:8080@node 10.2.1.1:8080@node2")
	apply(t, f, w)
	l.sameAsKernel(f, w.table())
	l.expect(l.client, "tcp", vip4+":80", "pod1 192.0.2.2")
	w.endpoints("s", "10.2.1.1:8080@node2")
	apply(t, f, w)
	l.expect(l.pod2, "tcp", vip4+":80", "pod3 10.0.0.1")
}
