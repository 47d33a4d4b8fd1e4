package announce

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
)

// world is a small cluster that tests build and then look at from any node.
type world struct {
	services  map[config.Key]*config.Service
	endpoints map[config.Key]*config.Endpoints
	nodes     map[string]*config.Node
	claims    map[netip.Addr]*config.L2Claim
	speakers  map[string]*config.SpeakerStatus
	members   []Member
	hosts     map[string]host.State
	forward   map[string]Forwarding
	snap      config.Snapshot
}

var (
	addr4 = netip.MustParseAddr("192.0.2.10")
	addr6 = netip.MustParseAddr("2001:db8::10")
	web   = config.Key{Namespace: "default", Name: "web"}
)

// newWorld has nodes n1..n<n> on 192.0.2.0/24 and 2001:db8::/64, one pool of
// each family, one L2Advertisement for everything and no Service.
func newWorld(n int) *world {
	w := &world{
		services: map[config.Key]*config.Service{}, endpoints: map[config.Key]*config.Endpoints{},
		nodes: map[string]*config.Node{}, claims: map[netip.Addr]*config.L2Claim{},
		speakers: map[string]*config.SpeakerStatus{}, hosts: map[string]host.State{}, forward: map[string]Forwarding{},
	}
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("n%d", i)
		w.nodes[name] = &config.Node{Name: name, Labels: map[string]string{"name": name}, Ready: true,
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}}
		w.hosts[name] = hostWith(link("eth0", fmt.Sprintf("192.0.2.%d/24", i), fmt.Sprintf("2001:db8::%x/64", i)))
		w.members = append(w.members, Member{Node: name, Alive: true, Links: UsableLinks(w.hosts[name], nil)})
	}
	w.snap.Pools = []*config.Pool{
		{Name: "four", Ranges: []config.Range{{From: addr4, To: netip.MustParseAddr("192.0.9.255")}}},
		{Name: "six", Ranges: []config.Range{{From: addr6, To: netip.MustParseAddr("2001:db8::ffff")}}},
	}
	w.snap.L2 = []*config.L2Advertisement{{Name: "all"}}
	return w
}

func link(name string, prefixes ...string) host.Link {
	l := host.Link{Name: name, Index: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Up: true}
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

func hostWith(links ...host.Link) host.State { return host.State{Links: links} }

// serve adds a Service with endpoints on the named nodes.
func (w *world) serve(key config.Key, on []string, addrs ...netip.Addr) *config.Service {
	svc := &config.Service{Key: key, Type: config.LoadBalancer, Addrs: addrs}
	w.services[key] = svc
	port := config.EndpointPort{Name: "http", Proto: config.TCP}
	for i, node := range on {
		port.Backends = append(port.Backends, config.Backend{
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80), Node: node, Ready: true, Serving: true})
	}
	w.endpoints[key] = &config.Endpoints{Service: key, Ports: []config.EndpointPort{port}}
	return svc
}

func (w *world) backend(key config.Key, i int) *config.Backend {
	return &w.endpoints[key].Ports[0].Backends[i]
}

func (w *world) member(node string) *Member {
	i := slices.IndexFunc(w.members, func(m Member) bool { return m.Node == node })
	return &w.members[i]
}

func (w *world) rehost(node string, links ...host.Link) {
	w.hosts[node] = hostWith(links...)
	w.member(node).Links = UsableLinks(w.hosts[node], nil)
}

func (w *world) record(addr netip.Addr, owner string) {
	w.claims[addr] = &config.L2Claim{Addr: addr, Owner: owner, Epoch: 7}
}

func (w *world) input(self string) Input {
	snap := w.snap
	snap.Services, snap.Endpoints = config.TableOf(w.services), config.TableOf(w.endpoints)
	snap.Nodes, snap.Claims = config.TableOf(w.nodes), config.TableOf(w.claims)
	snap.Speakers = config.TableOf(w.speakers)
	fwd, ok := w.forward[self]
	if !ok {
		fwd = ForwardingOff
	}
	return Input{Snap: &snap, Self: self, Members: w.members, Host: w.hosts[self], Forward: fwd}
}

func (w *world) decide(self string) Decision { return Decide(w.input(self)) }

// owners are the nodes that claim addr and do not merely yield it.
func (w *world) owners(addr netip.Addr) []string {
	var out []string
	for _, m := range w.members {
		if !m.Alive {
			continue
		}
		for _, c := range w.decide(m.Node).claims() {
			if c.Addr == addr && !c.Yielding {
				out = append(out, m.Node)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (p Decision) claim(addr netip.Addr) (Claim, bool) {
	for _, c := range p.claims() {
		if c.Addr == addr {
			return c, true
		}
	}
	return Claim{}, false
}

func (p Decision) claims() []Claim { return slices.Concat(p.Held, p.Unheld) }

func (p Decision) reason(svc config.Key, proto string) string {
	for _, s := range p.Silences() {
		if s.Service == svc && s.Proto == proto {
			return s.Reason
		}
	}
	return ""
}
