package speaker

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

func TestTellsOnce(t *testing.T) {
	story(t, 2, func(r *rig) {
		r.serve(web, addr4, "n1")
		r.record(addr4, "n1", 1)
		r.run()
		for range 5 {
			r.publishAll()
			r.pass(time.Second)
		}
		want := []string{`default/web nodeAssigned: announcing 192.0.2.10 from node "n1" with protocol "layer2"`}
		if !slices.Equal(r.events, want) {
			t.Errorf("events %q", r.events)
		}
		if n := r.logged("msg=announcing"); n != 1 {
			t.Errorf("%d lines", n)
		}
		r.stop()
	})
}

// Of all nodes that offer a route one tells.
func TestTellsOfRoutes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup func(r *rig)
		want  string
	}{
		{"first node", func(*rig) {}, `default/web nodeAssigned: announcing 192.0.2.10 from node "n1" to 2 peers with protocol "bgp"`},
		{"not the first", func(r *rig) { r.Node = "n2" }, ""},
		{"the first is dead", func(r *rig) { r.Node = "n2"; r.kill("n1"); r.serve(web, addr4, "n2") },
			`default/web nodeAssigned: announcing 192.0.2.10 from node "n2" to 2 peers with protocol "bgp"`},
		{"the first has no endpoint", func(r *rig) { r.Node = "n2"; r.serve(web, addr4, "n2").Local = true },
			`default/web nodeAssigned: announcing 192.0.2.10 from node "n2" to 2 peers with protocol "bgp"`},
		{"the first has one too", func(r *rig) { r.Node = "n2"; r.serve(web, addr4, "n1", "n2").Local = true }, ""},
		{"no endpoint", func(r *rig) { r.serve(web, addr4) }, ""},
		{"an aggregate for another Service", func(r *rig) {
			r.next.BGP[0].Length4 = 24
			r.serve(web, addr4)
			r.serve(config.Key{Name: "up"}, addr4.Next(), "n1")
		}, `up nodeAssigned: announcing 192.0.2.11 from node "n1" to 2 peers with protocol "bgp"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, 2, func(r *rig) {
				r.twoRouters()
				r.serve(web, addr4, "n1")
				r.alive("n1", "n2")
				tt.setup(r)
				r.publishAll()
				r.linkUp()
				r.begin()
				var want []string
				if tt.want != "" {
					want = []string{tt.want}
				}
				if !slices.Equal(r.events, want) {
					t.Errorf("events %q, want %q", r.events, want)
				}
				r.stop()
			})
		})
	}
}

// twoRouters makes BGP, with two peers, all that is announced by.
func (r *rig) twoRouters() {
	r.next.L2 = nil
	r.next.BGP = []*config.BGPAdvertisement{{Name: "all", Length4: 32}}
	for _, name := range []string{"a", "b"} {
		r.next.Peers = append(r.next.Peers, &config.Peer{Name: name, Addr: netip.MustParseAddr("192.0.2.254")})
	}
}
