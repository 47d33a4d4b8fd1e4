package nft

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// world is what the API would say: Services and endpoints, in a notation that
// fits on a line.
type world struct {
	services map[config.Key]*config.Service
	eps      map[config.Key]*config.Endpoints
	dead     map[string]bool
	pods     []netip.Prefix // of the node
	relay    []netip.AddrPort
	extern   config.ExternalIPs
}

func newWorld() *world {
	return &world{services: map[config.Key]*config.Service{}, eps: map[config.Key]*config.Endpoints{}, pods: prefixes("10.1.0.0/16 fd01::/16")}
}

// service adds or changes a Service. ports are like "tcp:80:30080" or "udp:53".
func (w *world) service(name, addrs, ports string, edit ...func(*config.Service)) {
	s := &config.Service{Key: config.Key{Namespace: "default", Name: name}, Type: config.LoadBalancer}
	for _, a := range strings.Fields(addrs) {
		s.Addrs = append(s.Addrs, netip.MustParseAddr(a))
	}
	for _, p := range strings.Fields(ports) {
		f := strings.Split(p+":0", ":")
		port := config.ServicePort{Name: p, Proto: config.Proto(strings.ToUpper(f[0]))}
		fmt.Sscan(f[1], &port.Port)
		fmt.Sscan(f[2], &port.NodePort)
		s.Ports = append(s.Ports, port)
	}
	for _, e := range edit {
		e(s)
	}
	w.services[s.Key] = s
}

// endpoints sets the endpoints of all ports of a Service: "10.1.1.1:80@node",
// with a flag behind: "!" not ready, "~" terminating but serving.
func (w *world) endpoints(name, list string) {
	key := config.Key{Namespace: "default", Name: name}
	e := &config.Endpoints{Service: key}
	for _, p := range w.services[key].Ports {
		ep := config.EndpointPort{Name: p.Name, Proto: p.Proto}
		for _, text := range strings.Fields(list) {
			b := config.Backend{Ready: true, Serving: true}
			addr, node, _ := strings.Cut(text, "@")
			switch {
			case strings.HasSuffix(node, "!"):
				b.Ready, b.Serving = false, false
			case strings.HasSuffix(node, "~"):
				b.Ready, b.Terminating = false, true
			}
			b.Node = strings.TrimRight(node, "!~")
			b.Addr = netip.MustParseAddrPort(addr)
			ep.Backends = append(ep.Backends, b)
		}
		e.Ports = append(e.Ports, ep)
	}
	w.eps[key] = e
}

func (w *world) delete(name string) {
	delete(w.services, config.Key{Namespace: "default", Name: name})
}

func (w *world) table() l4proxy.Table {
	return w.tableOf("node", l4proxy.Chances{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:1::1"))
}

func (w *world) tableOf(node string, chances l4proxy.Chances, addrs ...netip.Addr) l4proxy.Table {
	addr := netip.MustParseAddr
	snap := &config.Snapshot{Services: config.TableOf(w.services), Endpoints: config.TableOf(w.eps),
		Pools: []*config.Pool{{Name: "p", Ranges: []config.Range{
			{From: addr("192.0.2.50"), To: addr("192.0.2.60")},
			{From: addr("198.51.100.0"), To: addr("198.51.100.255")},
			{From: addr("2001:db8:100::"), To: addr("2001:db8:100::ffff")},
		}}}}
	return l4proxy.Build(snap, l4proxy.Options{
		Node: node, Dead: w.dead, NodeAddrs: addrs, PodCIDRs: w.pods, ExternalIPs: w.extern, Chances: chances, Relay: w.relay,
	})
}

func local(s *config.Service) { s.Local = true }

func (l *lab) forwarder() *Forwarder { return l.forwarderOf(l.node) }

func (l *lab) forwarderOf(s space) *Forwarder {
	l.t.Helper()
	f, err := New(log.NewNopLogger(), nil, Options{NetNS: int(s.ns)})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { f.Close() })
	return f
}

func apply(t testing.TB, f *Forwarder, w *world) {
	t.Helper()
	if err := f.Apply(w.table()); err != nil {
		t.Fatal(err)
	}
}

func keyOf(name string) config.Key { return config.Key{Namespace: "default", Name: name} }

func addrs(list string) (out []netip.Addr) {
	for _, a := range strings.Fields(list) {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func prefixes(list string) (out []netip.Prefix) {
	for _, p := range strings.Fields(list) {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}
