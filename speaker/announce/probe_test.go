package announce

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// An address that no record names is asked for before it is claimed; any other
// is claimed at once, whatever is known of it.
func TestProbeBeforeFirstClaim(t *testing.T) {
	taken := Probe{Link: "eth0", MAC: "02:00:00:00:00:09"}
	for _, tt := range []struct {
		name   string
		record *config.L2Claim
		probes map[netip.Addr]Probe
		claims int
		asks   int
		reason string
	}{
		{"nobody asks", nil, nil, 1, 0, ""},
		{"not known yet", nil, map[netip.Addr]Probe{}, 0, 1, ReasonProbing},
		{"free", nil, map[netip.Addr]Probe{addr4: {Free: true}}, 1, 1, ""},
		{"taken", nil, map[netip.Addr]Probe{addr4: taken}, 0, 1, ReasonAddressInUse},
		{"a member had it and is dead", &config.L2Claim{Addr: addr4, Owner: "n9", Epoch: 1}, map[netip.Addr]Probe{addr4: taken}, 1, 0, ""},
		{"held", &config.L2Claim{Addr: addr4, Owner: "n1", Epoch: 1}, map[netip.Addr]Probe{addr4: taken}, 1, 0, ""},
	} {
		w := newWorld(1)
		w.serve(web, []string{"n1"}, addr4)
		if tt.record != nil {
			w.claims[addr4] = tt.record
		}
		in := w.input("n1")
		in.Probes = tt.probes
		p := Decide(in)
		if len(p.claims()) != tt.claims || len(p.Probes) != tt.asks {
			t.Errorf("%s: claims %v, probes %v", tt.name, p.claims(), p.Probes)
		}
		reason, message := "", ""
		for _, s := range p.Silences() {
			if s.Proto == Layer2 {
				reason, message = s.Reason, s.Message
			}
		}
		if reason != tt.reason || tt.reason == ReasonAddressInUse && !strings.Contains(message, "02:00:00:00:00:09, seen on eth0 of node n1") {
			t.Errorf("%s: silent for %q: %s", tt.name, reason, message)
		}
	}
}
