package lab

import (
	"net/netip"
	"slices"
	"testing"
)

// TestDefault checks what the kernel and the addresses demand of any plan: short
// names, no address twice, gateways on a link.
func TestDefault(t *testing.T) {
	topo := Default(5)
	seen := make(map[netip.Addr]string)
	for _, h := range topo.Hosts {
		for _, link := range h.Links {
			if name := port(h.Name, link.Bridge); len(name) > 15 {
				t.Errorf("switch port %q is longer than an interface name may be", name)
			}
			for _, p := range link.Addrs {
				if other, ok := seen[p.Addr()]; ok {
					t.Errorf("%s and %s share %v", other, h.Name, p.Addr())
				}
				seen[p.Addr()] = h.Name
			}
		}
		for _, g := range h.Gateways {
			if !onLink(h, g.Via) {
				t.Errorf("%s: gateway %v is on no link", h.Name, g.Via)
			}
		}
	}
	if got := len(topo.Of(Node)); got != 5 {
		t.Errorf("%d nodes, want 5", got)
	}
}

func onLink(h HostSpec, addr netip.Addr) bool {
	for _, link := range h.Links {
		for _, p := range link.Addrs {
			if p.Contains(addr) {
				return true
			}
		}
	}
	return false
}

func TestWithout(t *testing.T) {
	topo := Default(3).Without("bird", "birdclient")
	if len(topo.Of(BIRD)) != 0 || len(topo.Of(FRR)) != 1 || len(topo.Of(Client)) != 4 {
		t.Errorf("hosts are %v", topo.Hosts)
	}
}

func TestRouterConfigNamesEveryNode(t *testing.T) {
	topo := Default(2)
	c := topo.routerConfig(topo.Of(FRR)[0])
	if len(c.Peers) != 2 || c.Peers[1].Name != "n2" || c.Peers[1].Addrs[0] != netip.MustParseAddr("172.31.0.12") {
		t.Errorf("peers are %v", c.Peers)
	}
	if c.ASN != FRRASN || c.ID != netip.MustParseAddr("172.31.0.1") {
		t.Errorf("router %v in AS %d", c.ID, c.ASN)
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	err := missingPrograms([]need{{"sh", "dash", "nothing"}, {"/usr/lib/frr/nosuchd", "frr", "the FRR router"}})
	want := "/usr/lib/frr/nosuchd is missing (for the FRR router); install it with: apt-get install -y frr"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestDemo wants the router of either kind at the same place: examples/demo names
// its address and AS number.
func TestDemo(t *testing.T) {
	for _, kind := range []Kind{FRR, GoBGP} {
		topo := Demo(kind)
		routers := topo.Routers()
		if len(routers) != 1 || routers[0].Kind != kind || routers[0].Name != string(kind) || routers[0].ASN != FRRASN {
			t.Fatalf("%s: routers are %+v", kind, routers)
		}
		if addr := routers[0].Addrs(Fabric)[0]; addr != netip.MustParseAddr("172.31.0.1") {
			t.Errorf("%s: the router is at %v", kind, addr)
		}
		for _, h := range topo.Hosts {
			for _, link := range h.Links {
				if name := port(h.Name, link.Bridge); len(name) > 15 {
					t.Errorf("switch port %q is longer than an interface name may be", name)
				}
				if !slices.Contains(topo.Bridges, link.Bridge) {
					t.Errorf("%s: %s is on %s, which is not there", kind, h.Name, link.Bridge)
				}
			}
		}
	}
}
