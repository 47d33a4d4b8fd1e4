package lab_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
)

// network is the lab that the tests of this package share.
var network *lab.Lab

func TestMain(m *testing.M) {
	box := sandbox.Enter(sandbox.Options{})
	var err error
	if network, err = lab.Build(box.Dir, lab.Default(3)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// eventually waits until check returns nil.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	err := check()
	for ; err != nil && time.Now().Before(deadline); err = check() {
		time.Sleep(30 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("not within %v: %v", within, err)
	}
}

// serve answers one TCP port of a host until the test ends.
func serve(t *testing.T, host string, port int) {
	t.Helper()
	h, err := network.Host(host)
	if err != nil {
		t.Fatal(err)
	}
	var listener net.Listener
	err = h.Netns.Do(func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, host)
			conn.Close()
		}
	}()
}

// dial connects from a host and hangs up.
func dial(from string, to netip.AddrPort) error {
	h, err := network.Host(from)
	if err != nil {
		return err
	}
	return h.Netns.Do(func() error {
		conn, err := net.DialTimeout("tcp", to.String(), 400*time.Millisecond)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

func lanPort(host string, family, port int) netip.AddrPort {
	for _, spec := range network.Topo.Hosts {
		if spec.Name == host {
			return netip.AddrPortFrom(spec.Addrs(lab.LAN)[family], uint16(port))
		}
	}
	panic("no host " + host)
}

func TestHostsReachEachOther(t *testing.T) {
	serve(t, "n1", 8001)
	for _, from := range []string{"client", "n2", "cp"} {
		for family := range 2 {
			if err := dial(from, lanPort("n1", family, 8001)); err != nil {
				t.Errorf("%s to n1: %v", from, err)
			}
		}
	}
	// From behind a router, to the node's fabric address, through forwarding.
	for _, from := range []string{"frrclient", "birdclient"} {
		for _, addr := range []string{"172.31.0.11", "fd00:31::11"} {
			if err := dial(from, netip.AddrPortFrom(netip.MustParseAddr(addr), 8001)); err != nil {
				t.Errorf("%s to n1: %v", from, err)
			}
		}
	}
}

// TestNeighbours asks by ARP and NDP who has an address.
func TestNeighbours(t *testing.T) {
	for addr, want := range map[string]string{"172.30.0.12": "n2", "fd00:30::12": "n2", "172.30.0.77": ""} {
		got, err := network.ResolveAfresh("client", netip.MustParseAddr(addr))
		if err != nil || got != want {
			t.Errorf("%s is at %q (%v), want %q", addr, got, err, want)
		}
	}
}

func TestCutAndRestore(t *testing.T) {
	serve(t, "n1", 8002)
	to := lanPort("n1", 0, 8002)
	if err := network.Cut("n1", lab.LAN); err != nil {
		t.Fatal(err)
	}
	if err := dial("client", to); err == nil {
		t.Error("a cut cable still carries")
	}
	if err := network.Restore("n1", lab.LAN); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() error { return dial("client", to) })
}

func TestLoss(t *testing.T) {
	serve(t, "n1", 8003)
	to := lanPort("n1", 0, 8003)
	if err := network.Loss("n1", lab.LAN, 100); err != nil {
		t.Fatal(err)
	}
	if err := dial("client", to); err == nil {
		t.Error("a cable that loses everything still carries")
	}
	if err := network.Loss("n1", lab.LAN, 30); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for range 60 {
		start := time.Now()
		// A lost SYN or SYN+ACK is sent again after a second, later than dial waits.
		if dial("client", to) != nil || time.Since(start) > 200*time.Millisecond {
			lost++
		}
	}
	if lost < 6 || lost > 54 {
		t.Errorf("30 %% loss each way: %d of 60 connections suffered", lost)
	}
	if err := network.Loss("n1", lab.LAN, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() error { return dial("client", to) })
}

// TestPartition divides the LAN: nothing passes between its parts, hosts in none
// hear both. Then it is whole again, as it was.
func TestPartition(t *testing.T) {
	serve(t, "n1", 8005)
	to := lanPort("n1", 0, 8005)
	if err := network.Partition(lab.LAN, [][]string{{"n1", "n2"}, {"client"}}); err != nil {
		t.Fatal(err)
	}
	for from, reaches := range map[string]bool{"client": false, "n2": true, "witness": true} {
		if err := dial(from, to); (err == nil) != reaches {
			t.Errorf("%s to n1: %v", from, err)
		}
	}
	if err := dial("client", lanPort("n3", 0, 9)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("client to n3, which is in no part: %v", err)
	}
	if err := network.Partition(lab.LAN, [][]string{{"client"}, {"n2"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() error { return dial("client", to) }) // the earlier one is over

	// Healed already is as good.
	for range 2 {
		if err := network.Heal(lab.LAN); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 5*time.Second, func() error {
		if err := dial("client", lanPort("n2", 0, 9)); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("client to n2 when healed: %w", err)
		}
		return nil
	})
	if err := network.Partition(lab.LAN, [][]string{{"n1"}, {}}); err == nil {
		t.Error("an empty part is accepted")
	}
	if err := network.Partition(lab.LAN, [][]string{{"n1"}, {"frrclient"}}); err == nil {
		t.Error("a host that is not on the LAN is accepted")
	}
}

func TestPowerOffAndOn(t *testing.T) {
	h, err := network.Host("n3")
	if err != nil {
		t.Fatal(err)
	}
	p, err := proc.Start(h.Netns, network.Logs(), proc.Spec{Name: "sleeper", Argv: []string{"sh", "-c", "trap '' TERM; sleep 1000 & wait"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := network.PowerOff("n3", nil, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(2 * time.Second):
		t.Fatal("a process survived the power cut")
	}
	if _, err := network.Host("n3"); err == nil {
		t.Error("a host that is off is still listed")
	}
	if err := network.PowerOn("n3"); err != nil {
		t.Fatal(err)
	}
	serve(t, "n3", 8004)
	eventually(t, 3*time.Second, func() error { return dial("client", lanPort("n3", 1, 8004)) })
}

// TestRouters lets two nodes announce one prefix by BIRD and looks for both next
// hops in the kernel tables of all routers. Then one loses its power, and the
// GoBGP router forgets it when the hold time is over.
func TestRouters(t *testing.T) {
	announce := map[string][2]string{"n1": {"172.31.0.11", "fd00:31::11"}, "n2": {"172.31.0.12", "fd00:31::12"}}
	for name, addrs := range announce {
		startSpeaker(t, name, addrs)
	}
	for _, name := range []string{"frr", "bird", "gobgp"} {
		for _, prefix := range []string{"10.80.0.1/32", "fd00:80::1/128"} {
			eventually(t, 20*time.Second, func() error { return sends(name, prefix, "n1", "n2") })
		}
	}
	frr, err := network.Router("frr")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := frr.Show("show bgp summary"); err != nil || !strings.Contains(out, "172.31.0.11") {
		t.Errorf("vtysh: %v: %s", err, out)
	}
	if err := network.PowerOff("n2", nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"10.80.0.1/32", "fd00:80::1/128"} {
		eventually(t, 10*time.Second, func() error { return sends("gobgp", prefix, "n1") })
	}
	if err := network.PowerOn("n2"); err != nil {
		t.Fatal(err)
	}
}

// sends checks that a router's kernel has a route with exactly these next hops.
func sends(router, prefix string, want ...string) error {
	hops, err := network.NextHops(router, netip.MustParsePrefix(prefix))
	if err != nil || slices.Equal(hops, want) {
		return err
	}
	return fmt.Errorf("%s: %s via %v, want %v", router, prefix, hops, want)
}

func startSpeaker(t *testing.T, host string, addrs [2]string) {
	t.Helper()
	dir := t.TempDir()
	conf := fmt.Sprintf(`log stderr all; router id %s;
protocol device {}
protocol static s4 { ipv4; route 10.80.0.1/32 blackhole; }
protocol static s6 { ipv6; route fd00:80::1/128 blackhole; }
template bgp r { local as 64512; connect delay time 1; hold time 3; ipv4 { import none; export all; next hop self; }; }
template bgp r6 { local as 64512; connect delay time 1; hold time 3; ipv6 { import none; export all; next hop self; }; }
protocol bgp f from r { neighbor 172.31.0.1 as 64500; }
protocol bgp f6 from r6 { neighbor fd00:31::1 as 64500; }
protocol bgp b from r { neighbor 172.31.0.2 as 64501; }
protocol bgp b6 from r6 { neighbor fd00:31::2 as 64501; }
protocol bgp g from r { neighbor 172.31.0.3 as 64502; }
protocol bgp g6 from r6 { neighbor fd00:31::3 as 64502; }
`, addrs[0])
	path := filepath.Join(dir, "bird.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := network.Host(host)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proc.Start(h.Netns, network.Logs(), proc.Spec{Name: "speaker-" + host,
		Argv: []string{"bird", "-f", "-c", path, "-s", filepath.Join(dir, "ctl"), "-P", filepath.Join(dir, "pid")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
}
