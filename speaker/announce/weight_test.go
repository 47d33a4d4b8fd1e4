package announce

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// routeTo is what n1 offers to its first peer for prefix.
func (w *world) routeTo(t *testing.T, prefix string) Route {
	t.Helper()
	for _, r := range w.decide("n1").Sessions[0].Routes {
		if r.Prefix.String() == prefix {
			return r
		}
	}
	t.Fatalf("no route to %s", prefix)
	return Route{}
}

func TestWeightIsTheNumberOfLocalEndpoints(t *testing.T) {
	const prefix = "192.0.2.10/32"
	for name, c := range map[string]struct {
		change func(w *world)
		want   uint32
	}{
		"ready ones of this node": {func(*world) {}, 2},
		"each pod once": {func(w *world) {
			ports := &w.endpoints[web].Ports
			*ports = append(*ports, (*ports)[0])
		}, 2},
		"one that is not ready": {func(w *world) { w.backend(web, 0).Ready = false }, 1},
		"serving if none is ready": {func(w *world) {
			w.backend(web, 0).Ready, w.backend(web, 1).Ready, w.backend(web, 2).Ready = false, false, false
		}, 2},
		"not for Cluster":  {func(w *world) { w.services[web].Local = false }, 0},
		"not unless asked": {func(w *world) { w.snap.BGP[0].Weighted = false }, 0},
		"not by another's asking": {func(w *world) {
			w.snap.BGP = append(w.snap.BGP, &config.BGPAdvertisement{Length4: 32, Weighted: true, Peers: []string{"b"}})
			w.snap.BGP[0].Weighted = false
		}, 0},
		"once for two that ask it": {func(w *world) { w.snap.BGP = append(w.snap.BGP, w.snap.BGP[0]) }, 2},
	} {
		w := bgpWorld()
		w.snap.BGP[0].Weighted = true
		w.serve(web, []string{"n1", "n2", "n1"}, addr4).Local = true
		six := config.Backend{Addr: netip.MustParseAddrPort("[fd00::1]:80"), Node: "n1", Ready: true} // the other family of a pod
		w.endpoints[web].Ports[0].Backends = append(w.endpoints[web].Ports[0].Backends, six)
		c.change(w)
		if got := w.routeTo(t, prefix).Weight; got != c.want {
			t.Errorf("%s: weight %d, want %d", name, got, c.want)
		}
	}
}

func TestWeightOfAnAggregateIsTheSum(t *testing.T) {
	w := bgpWorld()
	w.snap.BGP[0].Weighted, w.snap.BGP[0].Length4, w.snap.BGP[0].Pools = true, 24, []string{"four"}
	w.serve(web, []string{"n1", "n2"}, addr4).Local = true
	w.serve(config.Key{Name: "more"}, []string{"n1", "n1"}, addr4.Next()).Local = true
	w.serve(config.Key{Name: "everywhere"}, []string{"n1"}, addr4.Next().Next())
	if got := w.routeTo(t, "192.0.2.0/24").Weight; got != 3 {
		t.Errorf("weight %d", got)
	}
}

func TestMergeTakesWhatAttractsMost(t *testing.T) {
	p := netip.MustParsePrefix("192.0.2.10/32")
	for _, c := range []struct{ a, b, want Route }{
		{Route{}, Route{Prefix: p, MED: 5, Prepend: 2}, Route{Prefix: p, MED: 5, Prepend: 2}},
		{Route{Prefix: p, MED: 5, Prepend: 2}, Route{Prefix: p, MED: 7, Prepend: 1}, Route{Prefix: p, MED: 5, Prepend: 1}},
		{Route{Prefix: p, MED: 5, Prepend: 2}, Route{Prefix: p}, Route{Prefix: p, MED: 5}},
		{Route{Prefix: p}, Route{Prefix: p, MED: 7, Prepend: 1, LocalPref: 9}, Route{Prefix: p, MED: 7, LocalPref: 9}},
	} {
		if got := merge(c.a, c.b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("merge(%+v, %+v) = %+v", c.a, c.b, got)
		}
	}
}

func TestPathGrowsTowardsOtherASesOnly(t *testing.T) {
	w := bgpWorld()
	w.snap.BGP[0].Prepend, w.snap.BGP[0].MED = 2, 40
	outside := *peer4
	outside.MyASN, outside.PeerASN = 64512, 64500
	for _, c := range []struct {
		peer *config.Peer
		want uint8
	}{{&outside, 2}, {peer4, 0}, {&config.Peer{Name: "a", Addr: peer4.Addr, MyASN: 1, Dynamic: "external"}, 2}} {
		w.snap.Peers = []*config.Peer{c.peer}
		if r := w.routeTo(t, "192.0.2.10/32"); r.Prepend != c.want || r.MED != 40 {
			t.Errorf("to %+v: %+v", c.peer, r)
		}
	}
}
