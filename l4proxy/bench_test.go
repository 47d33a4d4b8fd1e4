package l4proxy

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// bigSnapshot has n Services of one port and ten endpoints in two families.
func bigSnapshot(n int) *config.Snapshot {
	services, eps := map[config.Key]*config.Service{}, map[config.Key]*config.Endpoints{}
	for i := range n {
		key := config.Key{Namespace: "default", Name: fmt.Sprint("s", i)}
		v6 := netip.MustParseAddr("2001:db8::").As16()
		v6[14], v6[15] = byte(i>>8), byte(i)
		services[key] = &config.Service{Key: key, Type: config.LoadBalancer,
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), netip.AddrFrom16(v6)},
			Ports: []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80}}}
		eps[key] = bigEndpoints(key, i, 10)
	}
	return &config.Snapshot{Revision: 1, Services: config.TableOf(services), Endpoints: config.TableOf(eps), Pools: []*config.Pool{{
		Ranges: []config.Range{{From: netip.MustParseAddr("100.64.0.0"), To: netip.MustParseAddr("100.127.0.0")},
			{From: netip.MustParseAddr("2001:db8::"), To: netip.MustParseAddr("2001:db8::ffff")}}}}}
}

func bigEndpoints(key config.Key, i, n int) *config.Endpoints {
	p := config.EndpointPort{Name: "http", Proto: config.TCP}
	for j := range n {
		p.Backends = append(p.Backends, config.Backend{Ready: true, Serving: true, Node: fmt.Sprint("n", j),
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), 8080)})
	}
	for j := range n {
		v6 := netip.MustParseAddr("fd00::").As16()
		v6[13], v6[14], v6[15] = byte(i>>8), byte(i), byte(j)
		p.Backends = append(p.Backends, config.Backend{Ready: true, Serving: true, Node: fmt.Sprint("n", j),
			Addr: netip.AddrPortFrom(netip.AddrFrom16(v6), 8080)})
	}
	return &config.Endpoints{Service: key, Ports: []config.EndpointPort{p}}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		snap := bigSnapshot(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Build(snap, Options{Node: "n0"})
			}
		})
	}
}

// BenchmarkChange is one endpoint of one Service among n that comes and goes:
// Update and Diff.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		snap := bigSnapshot(n)
		table := Build(snap, Options{Node: "n0"})
		key := config.Key{Namespace: "default", Name: "s0"}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				next := *snap
				eps := snap.Endpoints.Edit()
				eps.Set(key, bigEndpoints(key, 0, 9+i%2))
				next.Endpoints, next.Revision = eps.Done(), snap.Revision+1
				next.Changed = config.Changes{Services: []config.Key{key}}
				t := Update(table, &next, Options{Node: "n0"})
				if d := Diff(table, t); d.Empty() {
					b.Fatal("nothing changed")
				}
				table, snap = t, &next
			}
		})
	}
}
