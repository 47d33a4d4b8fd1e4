package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// group returns the Group of a backend and tells ing what is wrong with it.
// The Group is shared, the Problem is each Ingress's own.
func (b *builder) group(ing *config.Ingress, back config.IngressBackend, field string) *Group {
	if back.Service.Name == "" {
		return b.nowhere(back)
	}
	port, problem := b.port(ing, back, field)
	if problem != nil {
		b.problems = append(b.problems, *problem)
	}
	if g := b.groups[back]; g != nil {
		return g
	}
	g := &Group{ID: len(b.table.groups), Service: back.Service, Port: portText(back)}
	if problem != nil {
		g.Fault = problem.Message
	} else if !b.in.NoEndpoints {
		svc, _ := b.in.Snapshot.Services.Get(back.Service)
		eps, _ := b.in.Snapshot.Endpoints.Get(back.Service)
		g.Endpoints = usable(eps.Port(port.Name, config.TCP), svc.Families)
	}
	b.table.groups = append(b.table.groups, g)
	b.groups[back] = g
	return g
}

// nowhere is the Group of a path whose backend is no Service. Whoever read
// the Ingress told so; the path answers 503 and is nobody else's.
func (b *builder) nowhere(back config.IngressBackend) *Group {
	g := b.groups[back]
	if g == nil {
		g = &Group{ID: len(b.table.groups), Service: back.Service, Fault: "the backend is no Service"}
		b.table.groups = append(b.table.groups, g)
		b.groups[back] = g
	}
	return g
}

// port finds the Service port that a backend names.
func (b *builder) port(ing *config.Ingress, back config.IngressBackend, field string) (config.ServicePort, *config.Problem) {
	svc, ok := b.in.Snapshot.Services.Get(back.Service)
	if !ok {
		return config.ServicePort{}, noService(ing, back, field)
	}
	if svc.Type == config.ExternalName {
		return config.ServicePort{}, externalName(ing, back, field)
	}
	for _, p := range svc.Ports {
		if (p.Proto == config.TCP || p.Proto == "") && (back.Port != 0 && p.Port == back.Port || back.Port == 0 && p.Name == back.PortName) {
			return p, nil
		}
	}
	return config.ServicePort{}, noPort(ing, back, field, svc.Ports)
}

// usable picks the addresses to send requests to: the ready ones or, where a
// Service has none left, those that still serve while they terminate
// (KEP-1669). Of a dual-stack Service's two addresses for each pod, those of
// its first family do.
func usable(backends []config.Backend, families []config.Family) []netip.AddrPort {
	ready := addrsOf(backends, func(b config.Backend) bool { return b.Ready })
	if len(ready) == 0 {
		ready = addrsOf(backends, func(b config.Backend) bool { return b.Serving && b.Terminating })
	}
	for _, family := range families {
		of := slices.DeleteFunc(slices.Clone(ready), func(a netip.AddrPort) bool {
			return config.FamilyOf(a.Addr()) != family
		})
		if len(of) > 0 {
			return of
		}
	}
	return ready
}

func addrsOf(backends []config.Backend, want func(config.Backend) bool) []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, b := range backends {
		if want(b) {
			addrs = append(addrs, b.Addr)
		}
	}
	return addrs
}

func portText(back config.IngressBackend) string {
	if back.Port != 0 {
		return strconv.Itoa(int(back.Port))
	}
	return back.PortName
}

func portList(ports []config.ServicePort) string {
	var have []string
	for _, p := range ports {
		if p.Proto != config.TCP && p.Proto != "" {
			continue
		}
		text := strconv.Itoa(int(p.Port))
		if p.Name != "" {
			text = fmt.Sprintf("%d (%s)", p.Port, p.Name)
		}
		have = append(have, text)
	}
	if len(have) == 0 {
		return "none"
	}
	return strings.Join(have, ", ")
}
