package speaker

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// BenchmarkReconcile is one decision after one of 10,000 Services changed,
// with everything but the shells.
func BenchmarkReconcile(b *testing.B) {
	r := newRig(&testing.T{}, 3)
	key, addr := config.Key{}, addr4
	r.next.Pools[0].Ranges[0].To = netip.MustParseAddr("192.0.99.255")
	for i := range 10000 {
		key = config.Key{Namespace: "default", Name: fmt.Sprint(i)}
		r.serve(key, addr, "n1")
		r.record(addr, fmt.Sprintf("n%d", i%3+1), 1)
		addr = addr.Next()
	}
	r.publishAll()
	a := r.Agent
	a.take(<-r.snaps.C())
	a.meet([]announce.Member{{Node: "n1", Alive: true}, {Node: "n2", Alive: true}, {Node: "n3", Alive: true}})
	a.look(host.State{Links: []host.Link{{Name: "eth0", Index: 2, Up: true, MAC: []byte{2, 0, 0, 0, 0, 1},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.0.1/16")}}}})
	a.reconcile(b.Context())
	next := *a.snap
	for b.Loop() {
		next.Revision++
		next.Changed = config.Changes{Services: []config.Key{key}}
		snap := next
		a.take(&snap)
		a.reconcile(b.Context())
	}
}
