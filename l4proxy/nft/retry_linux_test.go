package nft

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// retries has f, on the node, lead refused connections elsewhere until the test ends or
// stop is called.
func (l *lab) retries(f *Forwarder) (stop func()) {
	t := l.t
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	for listens := false; !listens; time.Sleep(time.Millisecond) {
		l.node.in(t, func() error {
			groups, err := os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_log")
			listens = strings.Contains(string(groups), fmt.Sprint(refusalGroup))
			return err
		})
	}
	return stop
}

// threeTries is more than a client's kernel takes to send its SYN three times.
const threeTries = 8 * time.Second

// A connection that a backend refuses goes to another one, from all clients, in both
// families, at external address and node port, wherever the backends are.
func TestRefusedConnectionsGoElsewhere(t *testing.T) {
	l := newLab(t)
	l.printRules()
	l.patience = threeTries
	for _, s := range []space{{"near", l.pod1.ns}, {"near", l.pod2.ns}, {"far", l.pod3.ns}} {
		l.serve(s, 9001)
	}
	w, f := newWorld(), l.forwarder()
	l.retries(f)
	v4 := "10.1.1.1:9001@node 10.1.1.1:9002@node 10.1.2.1:9001@node 10.2.1.1:9002@node2"
	v6 := " [fd01:1::1]:9001@node [fd01:1::1]:9002@node [fd01:2::1]:9001@node [fd02:1::1]:9002@node2"
	far4, far6 := "10.2.1.1:9001@node2 10.2.1.1:9002@node2", " [fd02:1::1]:9001@node2 [fd02:1::1]:9002@node2"
	w.service("near", vip4+" "+vip6, "tcp:80:30080")
	w.endpoints("near", v4+v6)
	w.service("far", "198.51.100.11 2001:db8:100::11", "tcp:81:30081")
	w.endpoints("far", far4+far6)
	w.service("sticky", "198.51.100.12", "tcp:82", func(s *config.Service) { s.Affinity = 1e12 })
	w.endpoints("sticky", "10.1.1.1:9001@node 10.1.1.1:9002@node 10.1.1.1:9003@node 10.1.1.1:9004@node")
	w.service("local", "198.51.100.13", "tcp:83", local)
	w.endpoints("local", v4)
	apply(t, f, w)
	for _, c := range []struct {
		from       space
		addr, want string
	}{
		{l.client, vip4 + ":80", "near 192.0.2.2"}, {l.client, "[" + vip6 + "]:80", "near 2001:db8:1::2"},
		{l.client, "192.0.2.1:30080", "near 192.0.2.2"}, {l.client, "[2001:db8:1::1]:30080", "near 2001:db8:1::2"},
		{l.client, "198.51.100.11:81", "far 10.0.0.1"}, {l.client, "[2001:db8:100::11]:81", "far fd00::1"},
		{l.client, "198.51.100.12:82", "near 192.0.2.2"}, {l.client, "198.51.100.13:83", "near 192.0.2.2"},
		{l.pod2, vip4 + ":80", "near "}, {l.node, vip4 + ":80", "near "},
	} {
		l.together(16, func() {
			if got := l.get(c.from, "tcp", c.addr); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s asks %s: %q, want %q", c.from.name, c.addr, got, c.want)
			}
		})
	}
}

// together does n times the same at once.
func (l *lab) together(n int, do func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(do)
	}
	all.Wait()
}

// Where nobody takes a connection the client is refused, whether there is one
// backend or several, and with nobody to lead it elsewhere.
func TestRefusedByAll(t *testing.T) {
	l := newLab(t)
	w, f := newWorld(), l.forwarder()
	w.service("one", vip4, "tcp:80")
	w.endpoints("one", "10.1.1.1:9002@node")
	w.service("many", vip4, "tcp:81")
	many := ""
	for port := range 9 {
		many += fmt.Sprintf(" 10.1.1.1:%d@node", 9010+port)
	}
	w.endpoints("many", many)
	apply(t, f, w)
	after := func(what, addr string) {
		t.Helper()
		if got := l.get(l.client, "tcp", addr); got != "refused" { // when its kernel has asked twice
			t.Errorf("%s, %s: %s", addr, what, got)
		}
	}
	after("with nobody to lead it elsewhere", vip4+":80")
	after("with nobody to lead it elsewhere", vip4+":81")
	l.retries(f)
	l.expect(l.client, "tcp", vip4+":80", "refused") // at once
	l.patience = threeTries
	l.together(64, func() { l.get(l.client, "tcp", vip4+":81") }) // now all are known to refuse
	l.expect(l.client, "tcp", vip4+":81", "refused")              // at once
}

// The table may have changed between the SYN and its reset: who refused is not asked
// again, and who was put in its place is.
func TestRefusedByOneThatHasGone(t *testing.T) {
	l := newLab(t)
	l.patience = threeTries
	l.serve(l.pod1, 9001)
	w, f := newWorld(), l.forwarder()
	l.retries(f)
	w.service("s", vip4, "tcp:80")
	w.endpoints("s", "10.1.1.1:9002@node")
	apply(t, f, w)
	w.endpoints("s", "10.1.1.1:9001@node")
	f.mu.Lock() // as if the kernel's table were older
	f.applied = w.table()
	f.mu.Unlock()
	if got := l.get(l.client, "tcp", vip4+":80"); got != "pod1 192.0.2.2" {
		t.Error(got)
	}
}

// Run ends with its context, and not before: what ends ends the speaker.
func TestRunWithoutLog(t *testing.T) {
	f := &Forwarder{families: [2]*family{newFamily(config.IPv4, DefaultMarkMask), newFamily(config.IPv6, DefaultMarkMask)}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	select {
	case err := <-ended:
		t.Fatalf("ended by itself: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
