package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
	"github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// Lab is a running network.
type Lab struct {
	Dir  string // work directory
	Topo Topology

	sw      *network.Switch
	mu      sync.Mutex // guards hosts: a power-off replaces entries
	hosts   map[string]*Host
	routers map[string]*router.Router
}

// Host is one namespace of the lab that is powered on.
type Host struct {
	HostSpec
	Netns *network.Netns
}

// Build makes the whole network below a work directory and starts its routers.
func Build(dir string, topo Topology) (*Lab, error) {
	if err := Preflight(topo); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return nil, err
	}
	sw, err := network.NewSwitch("switch")
	if err != nil {
		return nil, fmt.Errorf("the lab's switch: %w", err)
	}
	l := &Lab{Dir: dir, Topo: topo, sw: sw, hosts: make(map[string]*Host), routers: make(map[string]*router.Router)}
	for _, bridge := range topo.Bridges {
		if err := sw.AddBridge(bridge); err != nil {
			return nil, err
		}
	}
	for _, spec := range topo.Hosts {
		if err := l.addHost(spec); err != nil {
			return nil, err
		}
	}
	return l, l.startRouters()
}

// Logs is the directory of the processes' logs.
func (l *Lab) Logs() string { return filepath.Join(l.Dir, "logs") }

// Host returns a host that is powered on.
func (l *Lab) Host(name string) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.hosts[name]; ok {
		return h, nil
	}
	for _, spec := range l.Topo.Hosts {
		if spec.Name == name {
			return nil, fmt.Errorf("host %s is powered off", name)
		}
	}
	return nil, fmt.Errorf("the lab has no host %q", name)
}

// Nodes lists the names of all nodes, powered on or not.
func (l *Lab) Nodes() []string {
	var names []string
	for _, spec := range l.Topo.Of(Node) {
		names = append(names, spec.Name)
	}
	return names
}

// addHost makes a host's namespace, cards, addresses and routes.
func (l *Lab) addHost(spec HostSpec) error {
	ns, err := network.Create(spec.Name)
	if err != nil {
		return err
	}
	if err := tune(ns, spec); err != nil {
		return err
	}
	for i, link := range spec.Links {
		plug := network.Plug{Bridge: link.Bridge, Port: port(spec.Name, link.Bridge), Link: link.Name, MAC: mac(link.Addrs[0].Addr(), i)}
		if err := l.sw.Connect(ns, plug); err != nil {
			return err
		}
		for _, addr := range link.Addrs {
			if err := ns.AddAddr(link.Name, addr); err != nil {
				return err
			}
		}
	}
	for _, g := range spec.Gateways {
		if err := ns.AddRoute(g.To, g.Via); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.hosts[spec.Name] = &Host{HostSpec: spec, Netns: ns}
	l.mu.Unlock()
	return nil
}

// tune sets what an installed Debian of that role has: loose reverse path
// filter, forwarding on nodes and routers, ECMP by flow on routers.
func tune(ns *network.Netns, spec HostSpec) error {
	settings := [][2]string{
		{"ipv4.conf.all.rp_filter", "2"}, {"ipv4.conf.default.rp_filter", "2"},
		{"ipv6.conf.default.accept_dad", "0"}, {"ipv6.conf.all.accept_ra", "0"}, {"ipv6.conf.default.accept_ra", "0"},
	}
	if spec.forwards() {
		settings = append(settings, [2]string{"ipv4.ip_forward", "1"}, [2]string{"ipv6.conf.all.forwarding", "1"})
	}
	if spec.routes() {
		settings = append(settings, [2]string{"ipv4.fib_multipath_hash_policy", "1"}, [2]string{"ipv6.fib_multipath_hash_policy", "1"})
	}
	for _, s := range settings {
		if err := ns.Sysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

// port names a cable at the switch: "n1.lan".
func port(host, bridge string) string { return host + "." + bridge }

// mac derives a card's address from its IPv4 address, so that a node that was
// off comes back with the card it had.
func mac(addr netip.Addr, card int) net.HardwareAddr {
	b := addr.As4()
	return net.HardwareAddr{0x02, byte(card), b[0], b[1], b[2], b[3]}
}
