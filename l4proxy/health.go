package l4proxy

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// HealthPort is a healthCheckNodePort of this node: the place where other load
// balancers ask whether it has endpoints of a Service with policy Local.
type HealthPort struct {
	Service config.Key
	Port    uint16
	Family  config.Family
}

// health is what is answered on a port.
type health struct {
	HealthPort
	ready int // endpoints on this node
}

// HealthPorts are the ports to answer on, of Services of any class as with node
// ports, and the number of ready endpoints on this node, which is the answer.
// What two tables have in common they share.
func (t Table) HealthPorts() config.Table[HealthPort, int] { return t.health }

// healthPorts adds one port for each family of the Service.
func (w *builder) healthPorts() {
	svc := w.part.svc
	if svc.Type != config.LoadBalancer || !svc.Local || svc.HealthCheckNodePort == 0 {
		return
	}
	for _, family := range []config.Family{config.IPv4, config.IPv6} {
		if len(svc.Families) == 0 || slices.Contains(svc.Families, family) {
			w.part.health = append(w.part.health, health{
				HealthPort{svc.Key, svc.HealthCheckNodePort, family}, readyHere(w.part.eps, family, w.basis.node)})
		}
	}
}

// readyHere counts the ready endpoints on the node. One address is one
// endpoint, however many ports it serves.
func readyHere(eps *config.Endpoints, family config.Family, node string) int {
	seen := map[netip.Addr]bool{}
	if eps == nil || node == "" {
		return 0
	}
	for _, p := range eps.Ports {
		for _, b := range p.Backends {
			if b.Ready && b.Node == node && config.FamilyOf(b.Addr.Addr()) == family && Valid(b) {
				seen[b.Addr.Addr()] = true
			}
		}
	}
	return len(seen)
}

func (e *editor) setHealth(old, fresh *part) {
	if old != nil {
		for _, h := range old.health {
			e.health.Delete(h.HealthPort)
		}
	}
	if fresh != nil {
		for _, h := range fresh.health {
			e.health.Set(h.HealthPort, h.ready)
		}
	}
}
