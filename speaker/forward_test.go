package speaker

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Other load balancers are told to go elsewhere while the table is not written,
// and before this node withdraws anything.
func TestHealthPorts(t *testing.T) {
	owning(t, 1, func(r *rig) {
		svc := *r.services[web]
		svc.Local, svc.HealthCheckNodePort = true, 30333
		r.services[web] = &svc
		r.publishAll()
		r.pass(0)
		const good, bad = "default/web:30333/IPv4=1 healthy=true default/web:30333/IPv6=0 healthy=true", "default/web:30333/IPv4=1 healthy=false default/web:30333/IPv6=0 healthy=false"
		if got := r.shows("health ports"); got != good {
			t.Errorf("says %q", got)
		}
		r.set(func() { r.disturbed = errors.New("flushed"); r.tableErr = errors.New("no room") })
		r.pass(2 * time.Second)
		if got := r.shows("health ports"); got != bad {
			t.Errorf("with a table that cannot be written: %q", got)
		}
		r.set(func() { r.disturbed, r.tableErr = nil, nil })
		r.pass(2 * time.Second)
		if got := r.shows("health ports"); got != good {
			t.Errorf("with a table that is written again: %q", got)
		}
		r.did("health ports "+good, "health forwarder no room", "health ports "+bad, "health forwarder ready", "health ports "+good)
		r.set(func() { r.leaves = true })
		r.stop()
		r.did("health decision going away", "health ports "+bad, "members leaving", "routers stopped", "answer", "table removed", "members goodbye")
	})
}

// What is set counts, not what the Node says, which a CNI may not follow.
func TestPodsHere(t *testing.T) {
	node := &config.Node{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}}
	set := []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}
	for _, c := range []struct{ set, want []netip.Prefix }{{nil, node.PodCIDRs}, {set, set}} {
		a := Agent{Parts: Parts{PodCIDRs: c.set}}
		if got := a.podsHere(node); !slices.Equal(got, c.want) {
			t.Errorf("with %v: %v, want %v", c.set, got, c.want)
		}
	}
}
