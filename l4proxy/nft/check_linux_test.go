package nft

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-kit/log"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestCheck(t *testing.T) {
	proc := func(v4, v6, all, eth0 string) fstest.MapFS {
		m := fstest.MapFS{}
		for name, v := range map[string]string{"net/ipv4/ip_forward": v4, "net/ipv6/conf/all/forwarding": v6,
			"net/ipv4/conf/all/rp_filter": all, "net/ipv4/conf/lo/rp_filter": "1", "net/ipv4/conf/eth0/rp_filter": eth0} {
			if v != "" {
				m[name] = &fstest.MapFile{Data: []byte(v + "\n")}
			}
		}
		return m
	}
	for _, c := range []struct {
		v4, v6, all, eth0 string
		remedies          string
	}{
		{"1", "1", "0", "2", ""},
		{"0", "1", "0", "0", "sysctl -w net.ipv4.ip_forward=1"},
		{"1", "0", "0", "0", "sysctl -w net.ipv6.conf.all.forwarding=1"},
		{"1", "", "0", "0", ""},
		{"1", "1", "1", "0", "sysctl -w net.ipv4.conf.eth0.rp_filter=2"},
		{"1", "1", "2", "1", ""},
	} {
		var got []string
		for _, p := range Check("n1", proc(c.v4, c.v6, c.all, c.eth0)) {
			got = append(got, p.Remedy)
			if p.Object.Name != "n1" || p.Message == "" || p.Reason == "" {
				t.Errorf("incomplete: %+v", p)
			}
		}
		if strings.Join(got, ";") != c.remedies {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestCheckHost(t *testing.T) {
	l := newLab(t)
	l.node.sysctl(t, "net/ipv4/ip_forward", "0")
	l.node.in(t, func() error {
		if got := fmt.Sprint(Check("n1", os.DirFS("/proc/sys"))); !strings.Contains(got, "net.ipv4.ip_forward=1") {
			t.Errorf("ip_forward=0 not found: %s", got)
		}
		return nil
	})
	l.nft(l.node, "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }")
	got, err := l.forwarder().CheckFirewall("n1")
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Remedy, "iptables -P FORWARD ACCEPT") {
		t.Errorf("FORWARD DROP: %v, %v", got, err)
	}
}

// TestCapability takes CAP_NET_ADMIN away from the thread.
func TestCapability(t *testing.T) {
	l := newLab(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread dies with its capabilities
		done <- func() error {
			if err := netns.Set(l.node.ns); err != nil {
				return err
			}
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			if err := unix.Capget(&header, &data[0]); err != nil {
				return err
			}
			data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
			if err := unix.Capset(&header, &data[0]); err != nil {
				return err
			}
			_, err := New(log.NewNopLogger(), nil, Options{})
			if err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
				return fmt.Errorf("without CAP_NET_ADMIN: %v", err)
			}
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestOnlyNetAdmin works with no capability but CAP_NET_ADMIN.
func TestOnlyNetAdmin(t *testing.T) {
	l := newLab(t)
	l.serve(l.pod1, 8080)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := netns.Set(l.node.ns); err != nil {
				return err
			}
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_NET_ADMIN, Permitted: 1 << unix.CAP_NET_ADMIN}}
			if err := unix.Capset(&header, &data[0]); err != nil {
				return err
			}
			f, err := New(log.NewNopLogger(), nil, Options{})
			if err != nil {
				return err
			}
			w := newWorld()
			w.service("s", vip4+" "+vip6, "tcp:80 udp:53")
			w.endpoints("s", "10.1.1.1:8080@node")
			if err := f.Apply(w.table()); err != nil {
				return err
			}
			w.endpoints("s", "10.1.1.1:8081@node")
			if err := f.Apply(w.table()); err != nil {
				return err
			}
			return f.Remove()
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestMissing: this kernel has all that the rules need, and the probe says so.
func TestMissing(t *testing.T) {
	l := newLab(t)
	for _, fam := range l.forwarder().families {
		if lack := fam.missing(&kernel{netns: int(l.node.ns)}); len(lack) > 0 {
			t.Errorf("%v: %v", fam.fam, lack)
		}
	}
	if chainsOf(t, l) != 0 {
		t.Error("the probe left something behind")
	}
}
