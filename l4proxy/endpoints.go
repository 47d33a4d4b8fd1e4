package l4proxy

import "github.com/steelyard-lb/steelyard/config"

// choice is which endpoints of a Service port get new connections.
type choice struct {
	backends []Backend
	draining []Drain
	anywhere bool // the Service port has usable endpoints on some node
}

// choose picks the endpoints for one family and policy. Ready endpoints on
// living nodes that no health check found down come first, with policy Cluster
// those of them that are nearby. When there is none, terminating ones that still
// serve take over (KEP-1669). Only when these are missing as well those that are
// down come next, and then the endpoints on nodes believed dead: a wrong belief
// must not empty a group.
func choose(all []config.Backend, family config.Family, local bool, sick *Sick, b *basis) choice {
	usable := make([]config.Backend, 0, len(all))
	for _, e := range all {
		if config.FamilyOf(e.Addr.Addr()) == family && Valid(e) {
			usable = append(usable, e)
		}
	}
	well := func(e config.Backend) bool { return e.Ready && !b.dead[e.Node] && !sick.has(e.Addr) }
	near := func(config.Backend) bool { return true }
	if !local {
		near = nearby(usable, well, b)
	}
	var c choice
	for _, fits := range []func(config.Backend) bool{
		func(e config.Backend) bool { return well(e) && near(e) },
		func(e config.Backend) bool { return draining(e) && !b.dead[e.Node] && !sick.has(e.Addr) },
		func(e config.Backend) bool { return e.Ready && !b.dead[e.Node] },
		func(e config.Backend) bool { return draining(e) && !b.dead[e.Node] },
		func(e config.Backend) bool { return e.Ready },
		draining,
	} {
		c.backends = nil
		for _, e := range usable {
			if !fits(e) {
				continue
			}
			c.anywhere = true
			here := e.Node != "" && e.Node == b.node
			if here || !local {
				c.backends = append(c.backends, Backend{Addr: e.Addr, Local: here})
			}
		}
		if len(c.backends) > 0 {
			break
		}
	}
	c.draining = rest(usable, c.backends, sick, b)
	return c
}

// rest lists the endpoints that were not chosen but whose connections should
// live on, which those to a dead node cannot. chosen is in the order of usable.
func rest(usable []config.Backend, chosen []Backend, sick *Sick, b *basis) []Drain {
	var out []Drain
	for _, e := range usable {
		if len(chosen) > 0 && chosen[0].Addr == e.Addr {
			chosen = chosen[1:]
			continue
		}
		if !b.dead[e.Node] {
			out = append(out, Drain{Addr: e.Addr, Serving: (e.Serving || e.Ready) && !sick.has(e.Addr)})
		}
	}
	return out
}

func draining(e config.Backend) bool { return !e.Ready && e.Serving && e.Terminating }

// Valid refuses what Kubernetes refuses in hand-written EndpointSlices:
// loopback, link-local, multicast and unspecified addresses, and port 0.
func Valid(e config.Backend) bool {
	a := e.Addr.Addr()
	return a.IsValid() && a.Zone() == "" && e.Addr.Port() != 0 && !a.IsUnspecified() &&
		!a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}

// boundDead returns the nodes whose endpoints count as gone. When more than
// half of the cluster looks dead, it is more likely that this node is cut off,
// so nobody is believed dead; nor is this node itself, ever.
func boundDead(dead map[string]bool, self string, nodes config.Table[string, *config.Node]) map[string]bool {
	out := map[string]bool{}
	for name, is := range dead {
		if is && name != "" && name != self {
			out[name] = true
		}
	}
	known := 0
	for name := range out {
		if _, ok := nodes.Get(name); ok {
			known++
		}
	}
	if 2*known > nodes.Len() {
		return nil
	}
	return out
}
