package layer2

import (
	"net"
	"net/netip"
	"testing"

	"github.com/steelyard-lb/steelyard/config/host"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// A link is another one when a bond below it changes its port, so that its
// addresses are announced again; what has no bond below stays as it is.
func TestLinksOnABond(t *testing.T) {
	on := func(active string) claimSet {
		var state host.State
		for i, l := range []host.Link{
			{Name: "bond0", Kind: "bond", Active: active},
			{Name: "bond0.5", Kind: "vlan", Lower: "bond0"},
			{Name: "br0", Kind: "bridge"},
			{Name: "br0.7", Kind: "vlan", Lower: "br0"},
			{Name: "bond0.6", Kind: "vlan", Lower: "bond0", Master: "br0"},
			{Name: "eth0", Master: "bond0"}, {Name: "eth1", Master: "bond0"},
			{Name: "eth2"}, {Name: "eth2.5", Kind: "vlan", Lower: "eth2"},
			{Name: "loop", Kind: "vlan", Lower: "loop"},
		} {
			l.Index, l.Up, l.MAC = i+1, true, net.HardwareAddr{2, 0, 0, 0, 0, 1}
			state.Links = append(state.Links, l)
		}
		return claimsOn([]announce.Claim{{Addr: vip4,
			Links: []string{"bond0", "bond0.5", "br0", "br0.7", "eth2", "eth2.5", "loop"}}}, state)
	}
	before, after := on("eth0"), on("eth1")
	moved := map[string]bool{}
	for key := range before {
		_, same := after[key]
		moved[key.name] = !same
	}
	for name, want := range map[string]bool{"bond0": true, "bond0.5": true, "br0": true, "br0.7": true, "eth2": false, "eth2.5": false, "loop": false} {
		if got, there := moved[name]; !there || got != want {
			t.Errorf("%s: there %v, another link %v, want %v", name, there, got, want)
		}
	}
	if got := on(""); len(got) != 7 || !got.owns(linkKey{"bond0", 1, hardware{2, 0, 0, 0, 0, 1}, ""}, netip.MustParseAddr("192.0.2.100")) {
		t.Errorf("without a port in use: %v", got)
	}
}
