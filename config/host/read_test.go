package host

import (
	"testing"

	"github.com/vishvananda/netlink"
)

// What a link lies on and which port a bond uses are known by name. A veth's
// parent is its other end, in whatever namespace, and nothing that it lies on.
func TestLinksOnOthers(t *testing.T) {
	attrs := func(name string, index, parent, master int) netlink.LinkAttrs {
		return netlink.LinkAttrs{Name: name, Index: index, ParentIndex: parent, MasterIndex: master}
	}
	bond := netlink.NewLinkBond(attrs("bond0", 4, 0, 0))
	bond.ActiveSlave = 3
	idle := netlink.NewLinkBond(attrs("bond1", 5, 0, 0))
	s := build([]netlink.Link{
		&netlink.Device{LinkAttrs: attrs("eth0", 2, 0, 4)}, &netlink.Device{LinkAttrs: attrs("eth1", 3, 0, 4)}, bond, idle,
		&netlink.Vlan{LinkAttrs: attrs("bond0.5", 6, 4, 0)}, &netlink.Macvlan{LinkAttrs: attrs("mv0", 7, 2, 0)},
		&netlink.Veth{LinkAttrs: attrs("veth0", 8, 2, 0)},
	}, nil)
	for name, want := range map[string]Link{
		"eth0": {Master: "bond0"}, "bond0": {Active: "eth1"}, "bond1": {},
		"bond0.5": {Lower: "bond0"}, "mv0": {Lower: "eth0"}, "veth0": {},
	} {
		got, ok := s.Link(name)
		if !ok || got.Lower != want.Lower || got.Active != want.Active || got.Master != want.Master {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	before, _ := s.Link("bond0")
	after := before
	after.Active = "eth0"
	if before.Equal(after) {
		t.Error("a bond that changes its port is not another state")
	}
}
