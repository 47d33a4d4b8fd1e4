package check

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// Target is what is checked: an address and port, and how. Services that have
// the same backend checked alike have one target.
type Target struct {
	Addr  netip.AddrPort
	Check config.HealthCheck
}

// ID names a [Target] between nodes.
type ID uint64

// ID is part of the protocol between nodes: all versions that may run side by
// side must agree on it. SHA-256 because tenants choose paths and must not be
// able to aim at each other's targets.
func (t Target) ID() ID {
	c := t.Check
	text := fmt.Sprintf("%v %q %q %d %d %d %d", t.Addr, c.Kind, c.Path, c.Interval, c.Timeout, c.Rise, c.Fall)
	sum := sha256.Sum256([]byte(text))
	return ID(binary.BigEndian.Uint64(sum[:]))
}

// Watched is a backend of a Service with the target whose state is its own.
type Watched struct {
	Backend netip.AddrPort
	Target  ID
}

// targets are the backends of svc that are to be checked, each once, sorted, and
// their targets. Those that nobody would be sent to are not checked.
func targets(svc *config.Service, eps *config.Endpoints, classes config.Classes) ([]Watched, map[ID]Target) {
	if svc.Check == nil || svc.Deleted || eps == nil || !forwarded(svc, classes) {
		return nil, nil
	}
	var out []Watched
	made := map[ID]Target{}
	for _, p := range svc.Ports {
		if p.Proto != config.TCP && svc.Check.Port == 0 {
			continue // checks are made by TCP
		}
		for _, b := range eps.Port(p.Name, p.Proto) {
			if !l4proxy.Valid(b) || !b.Ready && !(b.Serving && b.Terminating) {
				continue
			}
			t := Target{Addr: b.Addr, Check: *svc.Check}
			if t.Check.Port != 0 {
				t.Addr = netip.AddrPortFrom(b.Addr.Addr(), t.Check.Port)
			}
			id := t.ID()
			made[id] = t
			out = append(out, Watched{b.Addr, id})
		}
	}
	slices.SortFunc(out, func(a, b Watched) int { return a.Backend.Compare(b.Backend) })
	return slices.Compact(out), made
}

// forwarded tells whether nodes forward to svc at all.
func forwarded(svc *config.Service, classes config.Classes) bool {
	nodePort := slices.ContainsFunc(svc.Ports, func(p config.ServicePort) bool { return p.NodePort != 0 })
	return svc.Type == config.NodePort || svc.Type == config.LoadBalancer && (nodePort || classes.Serve(svc.Class))
}
