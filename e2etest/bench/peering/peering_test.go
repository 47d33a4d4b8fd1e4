package peering

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTurnsOfTheLastProcess(t *testing.T) {
	log := `# 2026-01-02T03:04:00Z steelyard bfd --peer 192.0.2.1
2026-01-02T03:04:01.000Z 192.0.2.1 Down -> Up
# 2026-01-02T03:05:00Z steelyard bfd --peer 192.0.2.1,2001:db8::1
steelyard: no real-time priority
2026-01-02T03:05:01.500Z 2001:db8::1 Init -> Up
2026-01-02T03:05:02.250Z 192.0.2.1 Up -> Down: control detection time expired
2026-01-02T03:05:03.250Z 192.0.2.1 Down -> In`
	got, err := parseTurns(log)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v; want two", got, err)
	}
	want := turn{time.Date(2026, 1, 2, 3, 5, 2, 250e6, time.UTC), netip.MustParseAddr("192.0.2.1"), "Up", "Down"}
	if got[1] != want {
		t.Errorf("%v, want %v", got[1], want)
	}
}

func TestCameUp(t *testing.T) {
	const head = "2026/01/02 03:04:05.123456 BGP: [M59KS-A3ZXZ] %ADJCHANGE: neighbor "
	router := netip.MustParseAddr("192.0.2.1")
	for line, want := range map[string]bool{
		head + "192.0.2.1(twin) in vrf default Up":               true,
		head + "192.0.2.1 in vrf default Up":                     true,
		head + "192.0.2.10(twin) in vrf default Up":              false,
		head + "192.0.2.1(twin) in vrf default Down Reset":       false,
		"%ADJCHANGE: neighbor 192.0.2.1(twin) in vrf":            false,
		"2026/01/02 03:04:05 BGP: %ADJCHANGE:":                   false,
		"yesterday 03:04 BGP: %ADJCHANGE: neighbor 192.0.2.1 Up": false,
		"": false,
	} {
		at, got := cameUp(line, router)
		if got != want || got && at.Nanosecond() != 123456000 {
			t.Errorf("%q: %v, %v", line, at, got)
		}
	}
}

// What this package and the test program of speaker/bgp make up must be the same.
func TestCrowd(t *testing.T) {
	all := crowd(crowdSize)
	if len(all) != crowdSize || all[0].String() != "198.18.0.0/32" || all[crowdSize-1].String() != "2001:db8::1387/128" {
		t.Errorf("%d routes, %v to %v", len(all), all[0], all[len(all)-1])
	}
	for _, p := range all {
		if !ofCrowd(p) {
			t.Errorf("%v is not of the crowd", p)
		}
	}
}

func TestConfigurations(t *testing.T) {
	node, twin := addrsOf(theNode), addrsOf(theTwin)
	guarded := frrBGP(nodeASN, twin[0], fast, false, []neighbor{{node[0], routerASN, false}, {node[1], routerASN, true}}, offeredBy(theTwin))
	for text, parts := range map[string][]string{
		guarded: {
			" neighbor 172.31.1.1 bfd profile fast\n", " neighbor fd00:31::1:1 passive\n",
			" address-family ipv4 unicast\n  neighbor 172.31.1.1 activate\n  network 198.18.0.2/32\n exit",
			" address-family ipv6 unicast\n  neighbor fd00:31::1:1 activate\n  network 2001:db8::2/128\n exit",
			"bfd\n profile fast\n  transmit-interval 50\n",
		},
		frrBFD(routerASN, steady, pairs(routerAddrs(1), addrsOf(theNode))): {
			"  receive-interval 100\n", " peer 172.31.1.1 local-address 172.31.0.1\n  profile fast\n peer fd00:31::1:1 local-address fd00:31::1\n",
		},
		birdSpeaker(crowd(2)):                {"protocol static s4 { ipv4;\nroute 198.18.0.0/32 blackhole;\n}", "route 2001:db8::/128 blackhole;"},
		birdRouter(fourRouters()[1], steady): {"min rx interval 100 ms; min tx interval 100 ms;", "protocol bgp twin { local 172.31.2.1 as 64500; neighbor 172.31.1.2 as 64512;"},
	} {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("no %q in\n%s", part, text)
			}
		}
	}
}
