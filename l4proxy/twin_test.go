package l4proxy

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// slowTrace answers for one packet straight from the cluster's objects, with
// no table at all: the plain meaning of Kubernetes' rules.
func slowTrace(w *world, p Packet) (v Verdict, candidates []netip.AddrPort) {
	var all []*config.Service
	for _, s := range w.services {
		if !s.OtherProxy {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *config.Service) int {
		return cmp.Or(a.Created.Compare(b.Created), a.Key.Compare(b.Key))
	})
	ours := false
	for _, s := range all {
		external := s.Type == config.LoadBalancer && s.Class == "" && slices.Contains(s.Addrs, p.Dst.Addr()) &&
			config.PoolOf(w.pools, p.Dst.Addr()) != nil
		ours = ours || external
		for _, port := range s.Ports {
			if port.Proto != p.Proto {
				continue
			}
			switch {
			case external && port.Port == p.Dst.Port():
				return slowForward(w, s, port, p, len(s.SourceRanges) > 0)
			case port.Port == p.Dst.Port() && slowExternalIP(w, s, p.Dst.Addr()):
				return slowForward(w, s, port, p, false)
			case slices.Contains(w.o.NodeAddrs, p.Dst.Addr()) && port.NodePort == p.Dst.Port() && s.Type != config.ClusterIP &&
				(s.Families == nil || slices.Contains(s.Families, config.FamilyOf(p.Dst.Addr()))):
				return slowForward(w, s, port, p, false)
			}
		}
	}
	if ours {
		return Verdict{Action: Reject}, nil
	}
	return Verdict{}, nil
}

// slowExternalIP tells whether s may draw the traffic of addr to itself.
func slowExternalIP(w *world, s *config.Service, addr netip.Addr) bool {
	allowed := slices.ContainsFunc(w.o.ExternalIPs, func(r netip.Prefix) bool { return r.Contains(addr) })
	return allowed && slices.Contains(s.ExternalIPs, addr) && config.PoolOf(w.pools, addr) == nil &&
		(s.Families == nil || slices.Contains(s.Families, config.FamilyOf(addr)))
}

func slowForward(w *world, s *config.Service, port config.ServicePort, p Packet, restricted bool) (Verdict, []netip.AddrPort) {
	dead := func(node string) bool {
		n := 0
		for d := range w.o.Dead {
			if d != w.o.Node {
				n++
			}
		}
		return node != w.o.Node && w.o.Dead[node] && n*2 <= len(w.nodes)
	}
	sick, _ := w.o.Down.Get(s.Key)
	var tiers [6][]config.Backend
	for _, b := range w.eps[s.Key].Port(port.Name, port.Proto) {
		a := b.Addr.Addr()
		if a.Is4() != p.Dst.Addr().Is4() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
			continue
		}
		late := b.Serving && b.Terminating
		tier := 0
		switch down := sick != nil && slices.Contains(sick.addrs, b.Addr); {
		case dead(b.Node):
			tier = 4
		case down:
			tier = 2
		}
		if b.Ready {
			tiers[tier] = append(tiers[tier], b)
		} else if late {
			tiers[tier+1] = append(tiers[tier+1], b)
		}
	}
	anyone := false
	inside := p.Here || slices.ContainsFunc(w.o.PodCIDRs, func(c netip.Prefix) bool { return c.Contains(p.Src.Addr()) })
	if !s.Local || inside {
		tiers[0] = slowNearby(w, tiers[0])
	}
	for _, tier := range tiers {
		var fit []netip.AddrPort
		at := map[netip.AddrPort]string{}
		for _, b := range tier {
			anyone = true
			if !s.Local || inside || b.Node == w.o.Node {
				fit = append(fit, b.Addr)
				at[b.Addr] = b.Node
			}
		}
		if len(fit) == 0 {
			continue
		}
		if restricted && !slices.ContainsFunc(s.SourceRanges, func(r netip.Prefix) bool { return r.Contains(p.Src.Addr()) }) {
			return Verdict{Action: Drop}, nil
		}
		return Verdict{Action: Forward}, fit
	}
	if anyone && s.Local && !inside {
		return Verdict{Action: Drop}, nil
	}
	return Verdict{Action: Reject}, nil
}

// slowNearby leaves the endpoints that hints mean for this node, else for its
// zone, if every one of them has such hints.
func slowNearby(w *world, ready []config.Backend) []config.Backend {
	var forNode, forZone []config.Backend
	nodes, zones := 0, 0
	for _, b := range ready {
		if b.Hints == nil {
			return ready
		}
		if len(b.Hints.Nodes) > 0 {
			nodes++
		}
		if len(b.Hints.Zones) > 0 {
			zones++
		}
		if slices.Contains(b.Hints.Nodes, w.o.Node) {
			forNode = append(forNode, b)
		}
		if slices.Contains(b.Hints.Zones, w.o.Zone) {
			forZone = append(forZone, b)
		}
	}
	switch {
	case nodes == len(ready) && forNode != nil:
		return forNode
	case zones == len(ready) && forZone != nil:
		return forZone
	}
	return ready
}

// packets are all destinations worth trying, from two clients.
func packets(w *world) []Packet {
	var dsts []netip.Addr
	for i := range 16 {
		dsts = append(dsts, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	dsts = append(dsts, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::5"))
	for i := range 8 {
		dsts = append(dsts, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}))
	}
	dsts = append(dsts, netip.MustParseAddr("2001:db8:3::1"))
	dsts = append(dsts, w.o.NodeAddrs...)
	var out []Packet
	for _, d := range dsts {
		for _, port := range []uint16{80, 81, 82, 83, 30001, 30007, 30012, 30020} {
			for _, proto := range []config.Proto{config.TCP, config.UDP} {
				for _, src := range []string{"10.77.0.1", "11.0.0.1", "10.1.0.7"} {
					if d.Is6() {
						src = map[string]string{"10.77.0.1": "fd77::1", "11.0.0.1": "2001::1", "10.1.0.7": "fd00::7"}[src]
					}
					out = append(out, Packet{Proto: proto, Dst: netip.AddrPortFrom(d, port),
						Src: netip.AddrPortFrom(netip.MustParseAddr(src), uint16(1024+w.r.IntN(60000))), Here: w.r.IntN(4) == 0})
				}
			}
		}
	}
	return out
}

// TestTwin walks packets through tables of random clusters and compares with
// the slow twin; it also compares Update with Build and replays every Diff.
func TestTwin(t *testing.T) {
	seeds, actions, inside, near, extern := uint64(24), map[Action]int{}, 0, 0, 0
	for seed := range seeds {
		w := newWorld(seed)
		var table Table
		kernel := newModel()
		for range 25 {
			w.step()
			snap := w.snapshot()
			next := Update(table, snap, w.o)
			checkSame(t, next, Build(snap, w.o))
			kernel.apply(t, Diff(table, next))
			kernel.check(t, next)
			if d := Diff(next, next); !d.Empty() {
				t.Fatalf("seed %d: a table differs from itself: %+v", seed, d)
			}
			table = next
			near += hinted(w, table)
			checkHealth(t, w, table)
			for _, p := range packets(w) {
				got := table.Trace(p)
				want, fit := slowTrace(w, p)
				actions[want.Action]++
				if want.Action == Forward && table.Target(Frontend{p.Dst, p.Proto}).Action == Drop {
					inside++
				}
				if want.Action == Forward && netip.MustParsePrefix("203.0.113.0/24").Contains(p.Dst.Addr()) {
					extern++
				}
				if got.Action != want.Action || want.Action == Forward && !slices.Contains(fit, got.Backend) {
					t.Fatalf("seed %d: %+v: got %+v, the plain version says %+v %v", seed, p, got, want, fit)
				}
			}
		}
	}
	for _, a := range []Action{Pass, Forward, Reject, Drop} {
		if actions[a] < 100 {
			t.Errorf("the test hardly saw action %d: %v", a, actions)
		}
	}
	if inside < 20 || near < 100 || extern < 100 {
		t.Errorf("the test hardly saw clients inside (%d), hints that count (%d) and external IPs (%d)", inside, near, extern)
	}
}

// hinted counts the groups of table that hints leave endpoints out of.
func hinted(w *world, table Table) int {
	n := 0
	for g := range table.Groups() {
		ready := slices.DeleteFunc(slices.Clone(w.eps[g.Key.Service].Port(g.Key.Port, g.Key.Proto)), func(b config.Backend) bool {
			return !b.Ready || config.FamilyOf(b.Addr.Addr()) != g.Key.Family || w.o.Dead[b.Node]
		})
		if !g.Key.Local && len(slowNearby(w, ready)) < len(ready) {
			n++
		}
	}
	return n
}

// checkHealth compares the health ports with what the objects say.
func checkHealth(t *testing.T, w *world, table Table) {
	t.Helper()
	want := map[HealthPort]int{}
	for _, s := range w.services {
		if s.OtherProxy || s.Type != config.LoadBalancer || !s.Local || s.HealthCheckNodePort == 0 {
			continue
		}
		families := s.Families
		if families == nil {
			families = []config.Family{config.IPv4, config.IPv6}
		}
		for _, family := range families {
			here := map[netip.Addr]bool{}
			for _, p := range w.eps[s.Key].Ports {
				for _, b := range p.Backends {
					a := b.Addr.Addr()
					if b.Ready && b.Node == w.o.Node && config.FamilyOf(a) == family && (a.IsPrivate() || a.IsGlobalUnicast()) {
						here[a] = true
					}
				}
			}
			want[HealthPort{s.Key, s.HealthCheckNodePort, family}] = len(here)
		}
	}
	if got := maps.Collect(table.HealthPorts().All()); !maps.Equal(got, want) {
		t.Fatalf("health ports %v, the plain version says %v", got, want)
	}
}

func checkSame(t *testing.T, got, want Table) {
	t.Helper()
	if got.Len() != want.Len() {
		t.Fatalf("Update gives %d frontends, Build %d", got.Len(), want.Len())
	}
	for f, target := range want.Frontends() {
		if !reflect.DeepEqual(got.Target(f), target) {
			t.Fatalf("%v: Update gives %+v, Build %+v", f, got.Target(f), target)
		}
	}
	if !config.Same(got.HealthPorts(), want.HealthPorts()) {
		t.Fatalf("Update gives health ports %v, Build %v", maps.Collect(got.HealthPorts().All()), maps.Collect(want.HealthPorts().All()))
	}
	for _, sets := range [][2][]netip.Addr{{slices.Collect(got.Addrs()), slices.Collect(want.Addrs())},
		{slices.Collect(got.Locals()), slices.Collect(want.Locals())}} {
		slices.SortFunc(sets[0], netip.Addr.Compare)
		slices.SortFunc(sets[1], netip.Addr.Compare)
		if !slices.Equal(sets[0], sets[1]) {
			t.Fatalf("Update gives %v, Build %v", sets[0], sets[1])
		}
	}
	if len(got.Conflicts()) != len(want.Conflicts()) {
		t.Fatalf("Update gives conflicts %v, Build %v", got.Conflicts(), want.Conflicts())
	}
}
