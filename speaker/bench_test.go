package speaker

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// BenchmarkReconcile is one decision after one of 10,000 Services lost its
// endpoints or got them back, with everything but the shells.
func BenchmarkReconcile(b *testing.B) {
	a, keys := largeAgent(b)
	for i := 0; b.Loop(); i++ {
		key := keys[i%len(keys)]
		next, edit := *a.snap, a.snap.Endpoints.Edit()
		full, _ := next.Endpoints.Get(key)
		if edit.Set(key, &config.Endpoints{Service: key}); len(full.Ports) == 0 {
			edit.Set(key, &config.Endpoints{Service: key, Ports: []config.EndpointPort{{Name: "http", Proto: config.TCP, Backends: []config.Backend{
				{Addr: netip.MustParseAddrPort("10.0.0.1:80"), Node: "n1", Ready: true, Serving: true}}}}})
		}
		next.Revision++
		next.Endpoints, next.Changed = edit.Done(), config.Changes{Services: []config.Key{key}}
		a.take(&next)
		a.reconcile(b.Context())
	}
}

// BenchmarkReconcileNothing is one decision after a snapshot that changed
// nothing of interest to 10,000 Services.
func BenchmarkReconcileNothing(b *testing.B) {
	a, _ := largeAgent(b)
	for b.Loop() {
		next := *a.snap
		next.Revision++
		next.Changed = config.Changes{}
		a.take(&next)
		a.reconcile(b.Context())
	}
}

// largeAgent has decided about 10,000 Services, of which a third is answered
// for here.
func largeAgent(b *testing.B) (*Agent, []config.Key) {
	r := newRig(&testing.T{}, 3)
	addr, keys := addr4, []config.Key{}
	r.next.Pools[0].Ranges[0].To = netip.MustParseAddr("192.0.99.255")
	for i := range 10000 {
		keys = append(keys, config.Key{Namespace: "default", Name: fmt.Sprint(i)})
		r.serve(keys[i], addr, "n1")
		r.record(addr, fmt.Sprintf("n%d", i%3+1), 1)
		addr = addr.Next()
	}
	r.publishAll()
	a := r.Agent
	a.Forwarder, a.LAN, a.Routers = quietForwarder{fakeForwarder{r}}, quietLAN{fakeLAN{r}}, quietRouters{fakeRouters{r}}
	a.take(<-r.snaps.C())
	a.meet([]announce.Member{{Node: "n1", Alive: true}, {Node: "n2", Alive: true}, {Node: "n3", Alive: true}})
	a.look(host.State{Links: []host.Link{{Name: "eth0", Index: 2, Up: true, MAC: []byte{2, 0, 0, 0, 0, 1},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.0.1/16")}}}})
	a.reconcile(b.Context())
	if len(a.plan.Held) != 3334 {
		b.Fatalf("%d addresses are held", len(a.plan.Held))
	}
	return a, keys
}

// Shells that do not even take notes.
type (
	quietForwarder struct{ fakeForwarder }
	quietLAN       struct{ fakeLAN }
	quietRouters   struct{ fakeRouters }
)

func (quietForwarder) Apply(l4proxy.Table) error                     { return nil }
func (quietLAN) Apply([]announce.Claim, host.State)                  {}
func (quietLAN) Ask([]announce.Claim, []announce.Member, host.State) {}
func (quietRouters) Apply([]announce.Session)                        {}
