package announce

import (
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// What another proxy forwards is announced without waiting for our forwarder,
// which will never have it.
func TestOtherProxy(t *testing.T) {
	w := bgpWorld()
	w.snap.L2 = []*config.L2Advertisement{{Name: "all"}}
	w.forward["n1"] = Forwarding{}
	w.record(addr4, "n1")
	w.serve(web, []string{"n1"}, addr4)
	p := w.decide("n1")
	if _, ok := p.claim(addr4); ok || len(prefixes(p.Sessions[0])) > 0 {
		t.Fatalf("announced before the forwarder is ready: %+v", p.Plan)
	}
	w.services[web].OtherProxy = true
	p = w.decide("n1")
	if c, ok := p.claim(addr4); !ok || len(c.Services) != 1 || len(prefixes(p.Sessions[0])) != 1 {
		t.Errorf("claim %+v, sessions %+v, silences %+v", c, p.Sessions, p.Silences())
	}
}
