package podnet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkPrefix begins the name of each host end, so that leftovers are known.
const linkPrefix = "pod"

// Network is the pod network of one node. It is safe for use by many goroutines.
type Network struct {
	dir string // of the pinned namespaces
	mtu int

	mu    sync.Mutex
	pools []*pool // one per address family
}

// Sandbox is the network of one pod.
type Sandbox struct {
	Path  string       // file that names the network namespace
	Addrs []netip.Addr // the pod's, in the order of the node's ranges
	link  string
}

// New makes the pod network for the ranges of a node. Pods' namespaces are
// pinned in dir. It turns forwarding on and removes what an earlier run of the
// same node left.
func New(dir string, ranges []netip.Prefix, mtu int) (*Network, error) {
	n := &Network{dir: dir, mtu: mtu}
	for _, r := range ranges {
		n.pools = append(n.pools, newPool(r))
	}
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		if err := setSysctl(key, "1"); err != nil {
			return nil, err
		}
	}
	return n, n.clean()
}

func (n *Network) clean() error {
	left, err := filepath.Glob(filepath.Join(n.dir, "*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := dropNamespace(path); err != nil {
			return fmt.Errorf("remove what an earlier run left: %w", err)
		}
	}
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		name := l.Attrs().Name
		if l.Type() == "veth" && len(name) == len(linkPrefix)+10 && name[:len(linkPrefix)] == linkPrefix {
			netlink.LinkDel(l) // it goes by itself when its peer's namespace does
		}
	}
	return nil
}

// Add gives a pod its network. id names the pod for good; sysctls are those of
// its securityContext, keys with slashes.
func (n *Network) Add(id string, sysctls map[string]string) (Sandbox, error) {
	s := Sandbox{Path: filepath.Join(n.dir, id), link: linkName(id)}
	if err := makeNamespace(s.Path, sysctls); err != nil {
		dropNamespace(s.Path)
		return s, err
	}
	var err error
	if s.Addrs, err = n.take(); err == nil {
		err = n.connect(s)
	}
	if err != nil {
		n.Remove(s)
		return s, fmt.Errorf("connect pod %s: %w", id, err)
	}
	return s, nil
}

// Remove takes a pod's network away. It may be called again.
func (n *Network) Remove(s Sandbox) error {
	if l, err := netlink.LinkByName(s.link); err == nil {
		netlink.LinkDel(l) // at once, whatever still runs inside
	}
	n.mu.Lock()
	for i, addr := range s.Addrs {
		n.pools[i].give(addr)
	}
	n.mu.Unlock()
	return dropNamespace(s.Path)
}

func (n *Network) take() ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var addrs []netip.Addr
	for _, p := range n.pools {
		addr, err := p.take()
		if err != nil {
			return addrs, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// connect lays the cable: host end with the gateways' addresses and a route to
// each pod address, pod end with the pod's addresses and default routes.
func (n *Network) connect(s Sandbox) error {
	ns, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = s.link, n.mtu
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("make the veth pair: %w", err)
	}
	if err := n.configureHost(s); err != nil {
		return fmt.Errorf("node's end: %w", err)
	}
	inside, err := handleIn(ns)
	if err != nil {
		return err
	}
	defer inside.Close()
	if err := n.configurePod(inside, s); err != nil {
		return fmt.Errorf("pod's end: %w", err)
	}
	return n.routeTo(s)
}

func (n *Network) configureHost(s Sandbox) error {
	// rp_filter would drop answers from a Service's address, and a redirect
	// would send a pod that talks to itself the short way, past the rules.
	for key, value := range map[string]string{
		"net/ipv4/conf/" + s.link + "/rp_filter":      "0",
		"net/ipv4/conf/" + s.link + "/send_redirects": "0",
		"net/ipv6/conf/" + s.link + "/accept_dad":     "0",
	} {
		if err := setSysctl(key, value); err != nil {
			return err
		}
	}
	link, err := netlink.LinkByName(s.link)
	if err != nil {
		return err
	}
	for _, p := range n.pools {
		if err := netlink.AddrAdd(link, hostAddr(p.gateway())); err != nil {
			return fmt.Errorf("add %v: %w", p.gateway(), err)
		}
	}
	return netlink.LinkSetUp(link)
}

func (n *Network) configurePod(inside *netlink.Handle, s Sandbox) error {
	link, err := inside.LinkByName("eth0")
	if err != nil {
		return err
	}
	if err := inside.LinkSetMTU(link, n.mtu); err != nil {
		return err
	}
	for _, addr := range s.Addrs {
		if err := inside.AddrAdd(link, hostAddr(addr)); err != nil {
			return fmt.Errorf("add %v: %w", addr, err)
		}
	}
	if err := inside.LinkSetUp(link); err != nil {
		return err
	}
	for _, p := range n.pools {
		if err := addDefault(inside, link.Attrs().Index, p.gateway()); err != nil {
			return err
		}
	}
	return nil
}

func addDefault(inside *netlink.Handle, index int, gateway netip.Addr) error {
	toGateway := &netlink.Route{LinkIndex: index, Dst: hostNet(gateway), Scope: netlink.SCOPE_LINK}
	if err := inside.RouteReplace(toGateway); err != nil {
		return fmt.Errorf("route to %v: %w", gateway, err)
	}
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	viaGateway := &netlink.Route{LinkIndex: index, Dst: ipNet(all), Gw: gateway.AsSlice()}
	if err := inside.RouteReplace(viaGateway); err != nil {
		return fmt.Errorf("default route via %v: %w", gateway, err)
	}
	return nil
}

func (n *Network) routeTo(s Sandbox) error {
	link, err := netlink.LinkByName(s.link)
	if err != nil {
		return err
	}
	for _, addr := range s.Addrs {
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: hostNet(addr), Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("route to %v: %w", addr, err)
		}
	}
	return nil
}

// linkName makes a short name from a pod's id.
func linkName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return linkPrefix + hex.EncodeToString(sum[:5])
}

func hostAddr(a netip.Addr) *netlink.Addr {
	addr := &netlink.Addr{IPNet: hostNet(a)}
	if a.Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

func hostNet(a netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(a, a.BitLen())) }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
