package router

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var sample = Config{
	ID: netip.MustParseAddr("172.31.0.1"), ASN: 64500, BFD: 100 * time.Millisecond,
	Networks: []netip.Prefix{netip.MustParsePrefix("172.29.1.0/24"), netip.MustParsePrefix("fd00:29:1::/64")},
	Peers: []Peer{
		{Name: "n1", ASN: 64512, Addrs: []netip.Addr{netip.MustParseAddr("172.31.0.11"), netip.MustParseAddr("fd00:31::11")}},
		{Name: "node-2.x", ASN: 64512, Addrs: []netip.Addr{netip.MustParseAddr("172.31.0.12")}},
	},
}

func TestFRRConfig(t *testing.T) {
	got := FRRConfig(sample)
	for _, want := range []string{
		"router bgp 64500\n bgp router-id 172.31.0.1\n",
		" neighbor fd00:31::11 remote-as 64512\n neighbor fd00:31::11 description n1\n neighbor fd00:31::11 passive\n neighbor fd00:31::11 bfd\n neighbor fd00:31::11 bfd profile node\n",
		"bfd\n profile node\n  transmit-interval 100\n  receive-interval 100\n",
		" address-family ipv6 unicast\n  neighbor 172.31.0.11 activate\n  neighbor fd00:31::11 activate\n  neighbor 172.31.0.12 activate\n  network fd00:29:1::/64\n  maximum-paths 16\n exit-address-family\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks\n%s\nin\n%s", want, got)
		}
	}
}

func TestBIRDConfig(t *testing.T) {
	got := BIRDConfig(sample)
	for _, want := range []string{
		"router id 172.31.0.1;\n",
		"protocol bfd { interface \"*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }\n",
		"protocol bgp n1_1 from node { neighbor fd00:31::11 as 64512; bfd on; }\n",
		"protocol bgp node_2_x_0 from node { neighbor 172.31.0.12 as 64512; bfd on; }\n",
		"protocol bgp by_interface from node { neighbor range fe80::/10 as 64512; interface \"eth0\"; dynamic name \"linklocal\"; }\n",
		"protocol static { ipv4; route 172.29.1.0/24 unreachable; }\nprotocol static { ipv6; route fd00:29:1::/64 unreachable; }\n",
		"  ipv6 { import filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; }; export where source = RTS_STATIC; };\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks\n%s\nin\n%s", want, got)
		}
	}
	sample := sample
	sample.BFD = 0
	if strings.Contains(BIRDConfig(sample), "bfd") {
		t.Error("BFD is on without being asked for")
	}
}
