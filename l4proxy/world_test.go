package l4proxy

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// world is a random cluster that a test changes step by step.
type world struct {
	r        *rand.Rand
	services map[config.Key]*config.Service
	eps      map[config.Key]*config.Endpoints
	nodes    map[string]*config.Node
	pools    []*config.Pool
	o        Options
	rev      uint64
	changed  config.Changes
}

func newWorld(seed uint64) *world {
	addr := netip.MustParseAddr
	w := &world{r: rand.New(rand.NewPCG(seed, 1)), services: map[config.Key]*config.Service{},
		eps: map[config.Key]*config.Endpoints{}, nodes: map[string]*config.Node{}}
	for i := range 5 {
		name := fmt.Sprint("n", i)
		w.nodes[name] = &config.Node{Name: name, Ready: true}
	}
	w.pools = []*config.Pool{{Name: "p", Ranges: []config.Range{
		{From: addr("198.51.100.0"), To: addr("198.51.100.9")}, {From: addr("2001:db8::"), To: addr("2001:db8::9")}}}}
	w.o = Options{Node: "n0", NodeAddrs: []netip.Addr{addr("192.0.2.1"), addr("2001:db8:1::1")}, Dead: map[string]bool{}}
	w.changed.All = true
	return w
}

func (w *world) snapshot() *config.Snapshot {
	w.rev++
	s := &config.Snapshot{Revision: w.rev, Services: config.TableOf(w.services), Endpoints: config.TableOf(w.eps),
		Nodes: config.TableOf(w.nodes), Pools: w.pools, Changed: w.changed}
	w.changed = config.Changes{}
	return s
}

// step changes something; most often one Service or its endpoints.
func (w *world) step() {
	if w.r.IntN(6) == 0 {
		w.o.PodCIDRs = w.randomPodCIDRs()
	}
	if w.r.IntN(6) == 0 {
		w.o.ExternalIPs = w.randomExternalIPs()
	}
	if w.r.IntN(6) == 0 {
		w.o.Zone = []string{"", "z0", "z1"}[w.r.IntN(3)]
	}
	if w.r.IntN(4) == 0 {
		w.o.Chances = w.randomChances()
	}
	if w.r.IntN(3) == 0 {
		w.changeDown()
	}
	key := config.Key{Namespace: "ns", Name: fmt.Sprint("s", w.r.IntN(12))}
	switch n := w.r.IntN(20); {
	case n == 0:
		delete(w.services, key)
	case n == 1:
		w.o.Dead = map[string]bool{fmt.Sprint("n", w.r.IntN(5)): true, fmt.Sprint("n", w.r.IntN(5)): true, fmt.Sprint("n", w.r.IntN(5)): true}
		return
	case n == 2:
		p := *w.pools[0]
		p.Ranges = slices.Clone(p.Ranges)
		p.Ranges[0].To = netip.AddrFrom4([4]byte{198, 51, 100, byte(5 + w.r.IntN(10))})
		w.pools, w.changed.Config = []*config.Pool{&p}, true
		return
	case n < 8 || w.services[key] == nil:
		w.services[key] = w.randomService(key)
		w.eps[key] = w.randomEndpoints(w.services[key])
	default:
		w.eps[key] = w.randomEndpoints(w.services[key])
	}
	w.changed.Services = append(w.changed.Services, key, key)
}

// randomHints are, by kind, none, about zones, about zones and nodes, or all of
// that and here and there nothing.
func (w *world) randomHints(kind int) *config.Hints {
	h := &config.Hints{Zones: []string{fmt.Sprint("z", w.r.IntN(3))}}
	if w.r.IntN(2) == 0 {
		h.Zones = append(h.Zones, "z1")
	}
	if kind >= 2 {
		h.Nodes = []string{fmt.Sprint("n", w.r.IntN(3))}
	}
	if kind == 0 || kind == 3 && w.r.IntN(6) == 0 {
		return nil
	}
	return h
}

// randomPodCIDRs hold some of the clients that packets come from.
func (w *world) randomPodCIDRs() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range []string{"10.77.0.0/24", "10.77.1.0/24", "10.1.0.0/16", "fd77::/64", "fd00::/64"} {
		if w.r.IntN(2) == 0 {
			out = append(out, netip.MustParsePrefix(text))
		}
	}
	return out
}

// randomExternalIPs allow addresses of nobody, of a pool and of this node.
func (w *world) randomExternalIPs() (out config.ExternalIPs) {
	for _, text := range []string{"203.0.113.0/29", "203.0.113.0/30", "2001:db8:3::/64", "192.0.2.0/24", "198.51.100.0/24"} {
		if w.r.IntN(2) == 0 {
			out = append(out, netip.MustParsePrefix(text))
		}
	}
	return out
}

func (w *world) randomChances() Chances {
	c := Chances{Hops: map[netip.Addr]Hop{}}
	for range w.r.IntN(6) {
		via := Hop{netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + w.r.IntN(2))}), 1 + w.r.IntN(2)}
		c.Hops[netip.AddrFrom4([4]byte{198, 51, 100, byte(w.r.IntN(12))})] = via
	}
	for i := range byte(4) {
		if w.r.IntN(2) == 0 {
			c.Nodes = append(c.Nodes, MAC{2, 0, 0, 0, 0, i})
		}
	}
	return c
}

func (w *world) randomService(key config.Key) *config.Service {
	r := w.r
	s := &config.Service{Key: key, Type: config.LoadBalancer, Local: r.IntN(3) == 0,
		Created: time.Unix(int64(r.IntN(5)), 0)}
	s.Type = []config.ServiceType{config.LoadBalancer, config.LoadBalancer, config.NodePort, config.ClusterIP}[r.IntN(4)]
	if r.IntN(8) == 0 {
		s.Class = "other"
	}
	s.OtherProxy = r.IntN(10) == 0
	if r.IntN(4) == 0 {
		s.Affinity = time.Hour
	}
	if r.IntN(4) == 0 {
		s.SourceRanges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/9"), netip.MustParsePrefix("10.64.0.0/10"), netip.MustParsePrefix("10.128.0.0/9")}
	}
	if r.IntN(3) > 0 {
		s.Families = []config.Family{config.IPv4}
	}
	if s.Local && r.IntN(2) == 0 {
		s.HealthCheckNodePort = uint16(31000 + r.IntN(100))
	}
	for range r.IntN(3) {
		s.Addrs = append(s.Addrs, netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(12))}))
	}
	if r.IntN(2) == 0 {
		s.Addrs = append(s.Addrs, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", r.IntN(12))))
	}
	for range r.IntN(3) * r.IntN(2) {
		s.ExternalIPs = append(s.ExternalIPs, []netip.Addr{
			netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(8))}), netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(8))}),
			netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(12))}), netip.MustParseAddr("2001:db8:3::1"), netip.MustParseAddr("192.0.2.1"),
		}[r.IntN(5)])
	}
	for i := range 1 + r.IntN(2) {
		p := config.ServicePort{Name: fmt.Sprint("p", i), Proto: []config.Proto{config.TCP, config.UDP}[r.IntN(2)], Port: uint16(80 + r.IntN(3))}
		if r.IntN(2) == 0 {
			p.NodePort = uint16(30000 + r.IntN(30))
		}
		s.Ports = append(s.Ports, p)
	}
	return s
}

// changeDown makes other backends of one Service down, or none.
func (w *world) changeDown() {
	key := config.Key{Namespace: "ns", Name: fmt.Sprint("s", w.r.IntN(12))}
	edit := w.o.Down.Edit()
	edit.Delete(key)
	if eps := w.eps[key]; eps != nil && w.r.IntN(4) > 0 {
		var addrs []netip.AddrPort
		for _, p := range eps.Ports {
			for _, b := range p.Backends {
				if w.r.IntN(2) == 0 {
					addrs = append(addrs, b.Addr)
				}
			}
		}
		edit.Set(key, NewSick(addrs))
	}
	w.o.Down = edit.Done()
}

func (w *world) randomEndpoints(s *config.Service) *config.Endpoints {
	r, e := w.r, &config.Endpoints{Service: s.Key}
	max := []int{1, 3, 6, 40}[r.IntN(4)]
	hinted := r.IntN(4)
	for _, p := range s.Ports {
		ep := config.EndpointPort{Name: p.Name, Proto: p.Proto}
		seen := map[netip.AddrPort]bool{}
		for range r.IntN(max + 1) {
			b := config.Backend{Node: fmt.Sprint("n", r.IntN(5)), Ready: r.IntN(4) > 0}
			b.Serving = b.Ready || r.IntN(2) == 0
			b.Terminating = !b.Ready && r.IntN(2) == 0
			text := fmt.Sprintf("10.1.0.%d:8080", r.IntN(60))
			switch r.IntN(12) {
			case 0, 1, 2:
				text = fmt.Sprintf("[fd00::%x]:8080", r.IntN(60))
			case 3:
				text = []string{"127.0.0.1:80", "169.254.1.1:80", "224.0.0.1:80", "[::1]:80", "[fe80::1]:80", "0.0.0.0:80"}[r.IntN(6)]
			}
			b.Addr = netip.MustParseAddrPort(text)
			b.Hints = w.randomHints(hinted)
			if !seen[b.Addr] {
				seen[b.Addr] = true
				ep.Backends = append(ep.Backends, b)
			}
		}
		slices.SortFunc(ep.Backends, func(a, b config.Backend) int {
			return cmp.Or(a.Addr.Addr().Compare(b.Addr.Addr()), cmp.Compare(a.Addr.Port(), b.Addr.Port()))
		})
		e.Ports = append(e.Ports, ep)
	}
	return e
}
