package nft

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
	"github.com/steelyard-lb/steelyard/l4proxy/relay/proxyproto"
)

// relays runs a relay on s; its Apply is for tables.
func (l *lab) relays(s space, w *world, addrs ...string) (apply func(l4proxy.Table)) {
	l.t.Helper()
	e, err := relay.New(relay.Options{Loops: 1})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, a := range addrs {
		w.relay = append(w.relay, netip.AddrPortFrom(netip.MustParseAddr(a), relay.DefaultPort))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread's namespace is spoilt
		if err := netns.Set(s.ns); err != nil {
			ended <- err
			return
		}
		ended <- e.Run(ctx)
	}()
	l.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Error(err)
		}
	})
	<-e.Updates() // it listens
	return func(t l4proxy.Table) {
		if err := e.Apply(relay.ConfigOf(t)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// serveProxied answers on a port, by TCP, with "name client frontend" as the
// header says, and hangs up on those that have none.
func (l *lab) serveProxied(s space, port int) {
	l.t.Helper()
	s.in(l.t, func() error {
		ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		l.t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go answerProxied(s.name, c)
			}
		}()
		return nil
	})
}

func answerProxied(name string, c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for n := 1; ; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return
		}
		h, size, err := proxyproto.Parse(b)
		if err == proxyproto.ErrShort {
			continue
		}
		if err != nil {
			return
		}
		in.Discard(size)
		if _, err := in.ReadByte(); err == nil {
			fmt.Fprintf(c, "%s %v %v\n", name, h.Src.Addr(), h.Dst)
			io.Copy(io.Discard, in)
		}
		return
	}
}

// TestRelay: connections of frontends with the PROXY protocol cross the kernel's
// rules to the relay and reach a pod that learns who the client is, wherever client
// and pod are; what the rules refuse or drop, they do without the relay.
func TestRelay(t *testing.T) {
	l := newLab(t)
	l.printRules()
	for _, s := range []space{l.pod1, l.pod3} {
		l.serveProxied(s, 8080)
	}
	l.serve(l.pod2, 8080)
	w, f := newWorld(), l.forwarder()
	v1 := func(s *config.Service) { s.ProxyProtocol = &config.ProxyProtocol{Version: 1} }
	v2 := func(s *config.Service) { s.ProxyProtocol = &config.ProxyProtocol{Version: 2} }
	ranges := func(s *config.Service) { s.SourceRanges = prefixes("10.1.2.0/24 2001:db8:1::/64") }
	tell := l.relays(l.node, w, "192.0.2.1", "2001:db8:1::1")
	w.service("near", vip4+" "+vip6, "tcp:80:30080 udp:53", v2)
	w.endpoints("near", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("far", "198.51.100.11 2001:db8:100::11", "tcp:80", v1)
	w.endpoints("far", "10.2.1.1:8080@node2 [fd02:1::1]:8080@node2")
	w.service("few", "198.51.100.12 2001:db8:100::12", "tcp:80", v2, ranges)
	w.endpoints("few", "10.1.1.1:8080@node [fd01:1::1]:8080@node")
	w.service("local", "198.51.100.13", "tcp:80", v2, local)
	w.endpoints("local", "10.2.1.1:8080@node2")
	w.service("plain", "198.51.100.14", "tcp:80")
	w.endpoints("plain", "10.1.2.1:8080@node")
	w.service("none", "198.51.100.15", "tcp:80", v2)
	w.endpoints("none", "")
	tell(w.table())
	apply(t, f, w)

	l.expect(l.client, "tcp", vip4+":80", "pod1 192.0.2.2 "+vip4+":80")
	l.expect(l.client, "tcp", "["+vip6+"]:80", "pod1 2001:db8:1::2 ["+vip6+"]:80")
	l.expect(l.client, "tcp", "192.0.2.1:30080", "pod1 192.0.2.2 192.0.2.1:30080")
	l.expect(l.client, "tcp", "[2001:db8:1::1]:30080", "pod1 2001:db8:1::2 [2001:db8:1::1]:30080")
	// The pod is on another node: the kernel would have hidden the client.
	l.expect(l.client, "tcp", "198.51.100.11:80", "pod3 192.0.2.2 198.51.100.11:80")
	l.expect(l.client, "tcp", "[2001:db8:100::11]:80", "pod3 2001:db8:1::2 [2001:db8:100::11]:80")
	// From pods, itself among them, and from the node.
	l.expect(l.pod1, "tcp", vip4+":80", "pod1 10.1.1.1 "+vip4+":80")
	l.expect(l.pod2, "tcp", "["+vip6+"]:80", "pod1 fd01:2::1 ["+vip6+"]:80")
	l.expect(l.node, "tcp", vip4+":80", "pod1 192.0.2.1 "+vip4+":80")
	l.expect(l.node, "tcp", "["+vip6+"]:80", "pod1 2001:db8:1::1 ["+vip6+"]:80")
	// Source ranges and policy Local are the kernel's, who is inside the relay's.
	l.expect(l.client, "tcp", "198.51.100.12:80", "silence")
	l.expect(l.pod2, "tcp", "198.51.100.12:80", "pod1 10.1.2.1 198.51.100.12:80")
	l.expect(l.client, "tcp", "[2001:db8:100::12]:80", "pod1 2001:db8:1::2 [2001:db8:100::12]:80")
	l.expect(l.client, "tcp", "198.51.100.13:80", "silence")
	l.expect(l.pod2, "tcp", "198.51.100.13:80", "pod3 10.1.2.1 198.51.100.13:80")
	l.expect(l.node, "tcp", "198.51.100.13:80", "pod3 192.0.2.1 198.51.100.13:80")
	// The rest is as it was, and the relay's own port serves nobody.
	l.expect(l.client, "tcp", "198.51.100.14:80", "pod2 192.0.2.2")
	l.expect(l.client, "tcp", "198.51.100.15:80", "refused")
	l.expect(l.client, "tcp", vip4+":81", "refused")
	l.expect(l.client, "tcp", fmt.Sprintf("%s:%d", vip4, relay.DefaultPort), "refused")
	if got := l.get(l.client, "tcp", fmt.Sprintf("192.0.2.1:%d", relay.DefaultPort)); got != "reset" {
		t.Errorf("the relay's own port: %s", got)
	}
}

// TestRelayComesAndGoes: connections that are open go on when the PROXY protocol is
// turned on or off, those through the kernel and those through the relay.
func TestRelayComesAndGoes(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.serve(l.pod1, 8080) // takes whatever it gets
	w, f := newWorld(), l.forwarder()
	tell := l.relays(l.node, w, "192.0.2.1", "2001:db8:1::1")
	set := func(version uint8) {
		w.service("web", vip4, "tcp:80", func(s *config.Service) {
			if version > 0 {
				s.ProxyProtocol = &config.ProxyProtocol{Version: version}
			}
		})
		w.endpoints("web", "10.1.1.1:8080@node")
		tell(w.table())
		apply(t, f, w)
	}
	open := func() net.Conn {
		c, err := l.dial(l.client, "tcp", "", vip4+":80")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	expect := func(c net.Conn, what, want string) {
		t.Helper()
		if got, err := ask(c); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v, want %q", what, got, err, want)
		}
	}
	set(0)
	kernel := open()
	expect(kernel, "through the kernel", "pod1 192.0.2.2")
	set(2)
	relayed := open()
	expect(relayed, "through the relay", "pod1 10.1.1.254")
	expect(kernel, "the kernel's, with the relay", "pod1 192.0.2.2")
	set(0)
	expect(relayed, "the relay's, without it", "pod1 10.1.1.254")
	expect(kernel, "the kernel's, again", "pod1 192.0.2.2")
	expect(open(), "a new one", "pod1 192.0.2.2")
}
