package announce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// randomWorld is a cluster of up to 6 nodes in any state with some Services.
func randomWorld(r *rand.Rand) *world {
	w := newWorld(1 + r.IntN(6))
	name := func() string { return fmt.Sprintf("n%d", 1+r.IntN(len(w.nodes))) }
	for i := range w.members {
		m := &w.members[i]
		m.Alive, m.Leaving, m.Restarting = r.IntN(6) > 0, r.IntN(8) == 0, r.IntN(8) == 0
		switch r.IntN(6) {
		case 0:
			w.nodes[m.Node].Labels[config.ExcludeLabel] = ""
		case 1:
			w.rehost(m.Node, link("eth0", "198.51.100.1/24"), link("lan1"))
		}
	}
	for range r.IntN(3) {
		ad := &config.L2Advertisement{Name: fmt.Sprint(r.IntN(9))}
		if r.IntN(2) == 0 {
			ad.Interfaces = []string{"lan1"}
		}
		if r.IntN(3) == 0 {
			ad.Pools = []string{"four"}
		}
		ad.RequireSubnet, ad.OnReturn = r.IntN(4) == 0, r.IntN(3) == 0
		for range r.IntN(3) {
			ad.Preferred = append(ad.Preferred, config.Preference{Weight: 1 + r.IntN(100), Node: named(name(), name())})
		}
		w.snap.L2 = append(w.snap.L2, ad)
	}
	addr := addr4
	for i := range 8 {
		var on []string
		for range r.IntN(4) {
			on = append(on, name())
		}
		svc := w.serve(config.Key{Name: fmt.Sprint(i)}, on, addr)
		svc.Local = r.IntN(2) == 0
		if r.IntN(3) == 0 {
			w.record(addr, name())
			if r.IntN(3) == 0 {
				w.claims[addr].Wanted = name()
			}
		}
		if r.IntN(3) > 0 { // else the next Service shares the address
			addr = addr.Next()
		}
	}
	return w
}

// With equal views, exactly one node claims an address that any node could
// serve and nobody else's; every other node says why not; sticky owners stay.
func TestExactlyOneOwner(t *testing.T) {
	for seed := range uint64(3000) {
		w := randomWorld(rand.New(rand.NewPCG(seed, 1)))
		plans := map[string]Decision{}
		for _, m := range w.members {
			if m.Alive {
				plans[m.Node] = w.decide(m.Node)
			}
		}
		for _, svc := range w.services {
			checkOwner(t, seed, w, plans, svc)
		}
	}
}

func checkOwner(t *testing.T, seed uint64, w *world, plans map[string]Decision, svc *config.Service) {
	t.Helper()
	addr := svc.Addrs[0]
	var owners, able []string
	for node, p := range plans {
		if c, ok := p.claim(addr); ok && !c.Yielding {
			owners = append(owners, node)
		}
		reason := p.reason(svc.Key, Layer2)
		if reason == "" || reason == ReasonNotOwner {
			able = append(able, node)
		}
	}
	if len(owners) > 1 {
		t.Errorf("seed %d: %v is owned by %q", seed, addr, owners)
	}
	if len(able) > 0 && len(owners) == 0 {
		t.Errorf("seed %d: %v could be owned by %q and is owned by nobody", seed, addr, able)
	}
}

func TestDecideIsPure(t *testing.T) {
	for seed := range uint64(300) {
		w := randomWorld(rand.New(rand.NewPCG(seed, 2)))
		w.snap.Peers, w.snap.BGP = []*config.Peer{peer4}, []*config.BGPAdvertisement{{Name: "x"}}
		first := w.decide("n1")
		slices.Reverse(w.members)
		if again := w.decide("n1"); !same(first, again) {
			t.Fatalf("seed %d: equal inputs, different plans:\n%+v\n%+v", seed, first.Plan, again.Plan)
		}
	}
}
