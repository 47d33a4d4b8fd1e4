package selftest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// lan makes a bridge in this namespace and two node namespaces on it.
func (w *world) lan() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return err
	}
	if err := address(bridge, "172.31.0.1/24", "fd00:31::1/64"); err != nil {
		return err
	}
	os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0o644)
	os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-ip6tables", []byte("0"), 0o644)
	for i, name := range nodes {
		if err := w.attach(bridge, name, i+2); err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
	}
	return nil
}

var nodes = []string{"n1", "n2"}

func nodeIPs(i int) string { return fmt.Sprintf("172.31.0.%d,fd00:31::%d", i, i) }

func (w *world) netns(node string) string { return filepath.Join(w.dir, "netns-"+node) }

func (w *world) attach(bridge netlink.Link, name string, host int) error {
	path := w.netns(name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return err
	}
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MasterIndex = "v"+name, bridge.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return err
	}
	return w.insideNode(name, "sh", "-ec", fmt.Sprintf(`ip link set lo up
ip addr add 172.31.0.%[1]d/24 dev eth0; ip -6 addr add fd00:31::%[1]d/64 dev eth0 nodad
ip link set eth0 up; ip route add default via 172.31.0.1`, host)).Run()
}

func address(link netlink.Link, list ...string) error {
	for _, text := range list {
		addr, err := netlink.ParseAddr(text)
		if err != nil {
			return err
		}
		if addr.IP.To4() == nil {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(link)
}

func (w *world) insideNode(node string, argv ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=" + w.netns(node)}, argv...)...)
	cmd.Stderr = os.Stderr
	return cmd
}
