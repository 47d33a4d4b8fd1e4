package host

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// inNamespace runs fn on a thread of its own in a fresh network namespace,
// which ends with it.
func inNamespace(t *testing.T, fn func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread, and with it the namespace, goes
		ns, err := netns.New()
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		fn()
	}()
	if err := <-done; err != nil {
		t.Fatalf("new network namespace (root is needed): %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
}

func TestReadEmptyNamespace(t *testing.T) {
	inNamespace(t, func() {
		s, err := Read()
		if err != nil {
			t.Error(err)
			return
		}
		lo, ok := s.Link("lo")
		if len(s.Links) != 1 || !ok || !lo.Loopback || lo.Up {
			t.Errorf("state %+v", s)
		}
	})
}

func TestWatch(t *testing.T) {
	before := runtime.NumGoroutine()
	inNamespace(t, func() { watchThrough(t) })
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// watchThrough changes this namespace step by step and waits for each change
// to be seen. The watcher runs on a goroutine that shares the namespace.
func watchThrough(t *testing.T) {
	ns, err := netns.Get()
	must(t, err)
	defer ns.Close()
	w := Watch(log.NewNopLogger())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(ns); err != nil {
			ended <- err
			return
		}
		ended <- w.Run(ctx)
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	eth0 := func(ok func(Link) bool) func(State) bool {
		return func(s State) bool { l, has := s.Link("eth0"); return has && ok(l) }
	}

	await(t, w, "first", func(s State) bool { return len(s.Links) == 1 })
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 1400}, PeerName: "peer0"}))
	await(t, w, "created", eth0(func(l Link) bool { return !l.Up && l.Kind == "veth" && l.MTU == 1400 && len(l.MAC) == 6 }))
	link, err := netlink.LinkByName("eth0")
	must(t, err)
	peer, err := netlink.LinkByName("peer0")
	must(t, err)
	must(t, netlink.LinkSetUp(link))
	must(t, netlink.LinkSetUp(peer))
	await(t, w, "up", eth0(func(l Link) bool { return l.Up }))
	must(t, netlink.LinkSetDown(peer))
	await(t, w, "no carrier", eth0(func(l Link) bool { return !l.Up }))
	addr, err := netlink.ParseAddr("192.0.2.1/24")
	must(t, err)
	must(t, netlink.AddrAdd(link, addr))
	await(t, w, "address", eth0(func(l Link) bool {
		return len(l.Prefixes) > 0 && l.Prefixes[0] == netip.MustParsePrefix("192.0.2.1/24")
	}))
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	must(t, netlink.LinkAdd(bridge))
	must(t, netlink.LinkSetMaster(link, bridge))
	await(t, w, "enslaved", eth0(func(l Link) bool { return l.Master == "br0" }))
	must(t, netlink.LinkDel(link))
	await(t, w, "gone", func(s State) bool { _, has := s.Link("eth0"); return !has })
}

func await(t *testing.T, w *Watcher, what string, ok func(State) bool) {
	t.Helper()
	deadline := time.After(3 * time.Second)
	var last State
	for {
		select {
		case last = <-w.States():
			if ok(last) {
				return
			}
		case <-deadline:
			t.Errorf("%s: not seen; last state %+v", what, last)
			runtime.Goexit()
		}
	}
}
