package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// need is what depends on one Service.
type need struct {
	ingresses []config.Key            // that name it, sorted
	backends  []config.IngressBackend // of groups
}

// use is how a Group is used.
type use struct {
	group  int
	routes int
}

// need is what depends on a Service, to be changed and given to keep.
func (e *edit) need(svc config.Key) need {
	n, _ := e.needs.Get(svc)
	return n
}

func (e *edit) keep(svc config.Key, n need) {
	if len(n.ingresses)+len(n.backends) > 0 {
		e.needs.Set(svc, n)
	} else {
		e.needs.Delete(svc)
	}
	e.noteName(svc)
}

// noteName keeps in mind what name a Service stands for, if anything needs it.
func (e *edit) noteName(key config.Key) {
	svc, ok := e.in.Snapshot.Services.Get(key)
	if _, needed := e.needs.Get(key); ok && needed && svc.Type == config.ExternalName {
		e.external.Set(key, svc.ExternalName)
	} else {
		e.external.Delete(key)
	}
}

// route makes a Route to a backend and counts it among those of its Group. It
// is to be given to release when it is not used any more.
func (e *edit) route(ing *config.Ingress, host, path string, back config.IngressBackend) *Route {
	u, ok := e.uses.Get(back)
	if !ok {
		u.group = e.slot()
		e.groups[u.group] = e.group(back)
		n := e.need(back.Service)
		n.backends = append(slices.Clip(n.backends), back)
		e.keep(back.Service, n)
	}
	u.routes++
	e.uses.Set(back, u)
	return &Route{Ingress: ing.Key, Name: ing.Key.String(), Host: host, Path: path, Backend: back, Group: u.group, Policy: policy.New(ing.Policy, path, e.limiter(ing))}
}

// limiter counts the requests for all paths of an Ingress; nil if none are limited. It
// goes on as long as the limits are the same.
func (e *edit) limiter(ing *config.Ingress) *policy.Limiter {
	if ing.Policy == nil || len(ing.Policy.Rates) == 0 {
		return nil
	}
	l, ok := e.limiters.Get(ing.Key)
	if !ok || !l.Keeps(ing.Policy.Rates) {
		l = policy.NewLimiter(ing.Policy.Rates)
		e.limiters.Set(ing.Key, l)
	}
	return l
}

// release counts a Route, which may be nil, out. The place of a Group without
// routes is free for another.
func (e *edit) release(r *Route) {
	if r == nil {
		return
	}
	e.release(r.Canary)
	u, _ := e.uses.Get(r.Backend)
	if u.routes--; u.routes > 0 {
		e.uses.Set(r.Backend, u)
		return
	}
	e.uses.Delete(r.Backend)
	e.ownGroups()
	e.groups[u.group] = &Group{}
	e.free = append(e.free, u.group)
	n := e.need(r.Backend.Service)
	n.backends = slices.DeleteFunc(slices.Clone(n.backends), func(b config.IngressBackend) bool { return b == r.Backend })
	e.keep(r.Backend.Service, n)
}

// slot is a free place for a Group.
func (e *edit) slot() int {
	e.ownGroups()
	if last := len(e.free) - 1; last >= 0 {
		i := e.free[last]
		e.free = e.free[:last]
		return i
	}
	e.groups = append(e.groups, nil)
	return len(e.groups) - 1
}

func (e *edit) ownGroups() {
	if !e.groupsOwned {
		e.groups, e.groupsOwned = slices.Clone(e.groups), true
	}
}

// moveServices makes the groups right whose Services or endpoints changed, and
// has the Ingresses judged anew for which it matters.
func (e *edit) moveServices() {
	before, now := e.prev.in.Snapshot, e.in.Snapshot
	for key := range config.Differing(before.Services, now.Services) {
		was, _ := before.Services.Get(key)
		is, _ := now.Services.Get(key)
		if !samePorts(was, is) {
			for _, ing := range e.need(key).ingresses {
				e.dirty[ing] = true
			}
		}
		e.regroup(key)
		e.noteName(key)
	}
	if !e.in.NoEndpoints {
		for key := range config.Differing(before.Endpoints, now.Endpoints) {
			e.regroup(key)
		}
	}
}

// samePorts tells whether backends find the same in two states of a Service;
// nil is one that does not exist.
func samePorts(a, b *config.Service) bool {
	return a != nil && b != nil && a.Type == b.Type && a.ExternalName == b.ExternalName && slices.Equal(a.Ports, b.Ports)
}

// moveNames makes the groups right whose names stand for something else now.
func (e *edit) moveNames() {
	for key, name := range e.prev.external.All() {
		was, _ := e.prev.in.Names.Get(name)
		is, _ := e.in.Names.Get(name)
		if was != is || e.prev.in.Guard != e.in.Guard {
			e.regroup(key)
			for _, ing := range e.need(key).ingresses {
				e.dirty[ing] = true
			}
		}
	}
}

// regroup makes the groups of a Service anew.
func (e *edit) regroup(svc config.Key) {
	for _, back := range e.need(svc).backends {
		u, _ := e.uses.Get(back)
		if g := e.group(back); !g.equal(e.groups[u.group]) {
			e.ownGroups()
			e.groups[u.group] = g
		}
	}
}

func (g *Group) equal(o *Group) bool {
	return g.Service == o.Service && g.Port == o.Port && g.Protocol == o.Protocol && g.Sticky == o.Sticky && g.UID == o.UID && g.Fault == o.Fault && slices.Equal(g.Endpoints, o.Endpoints)
}

// group is the Group of a backend. A path whose backend is no Service has one
// too: whoever read the Ingress told so; the path answers 503 and is nobody
// else's.
func (e *edit) group(back config.IngressBackend) *Group {
	g := &Group{Service: back.Service, Protocol: back.Protocol, Sticky: back.Sticky, Port: portText(back)}
	if back.Service.Name == "" {
		g.Port, g.Fault = "", "the backend is no Service"
		return g
	}
	port, problem := e.port(&config.Ingress{}, back, "")
	if problem != nil {
		g.Fault = problem.Message
		return g
	}
	svc, _ := e.in.Snapshot.Services.Get(back.Service)
	if back.Sticky {
		g.UID = svc.UID
	}
	switch {
	case e.in.NoEndpoints:
	case svc.Type == config.ExternalName:
		g.Endpoints = e.named(svc.ExternalName, port.Port)
	default:
		eps, _ := e.in.Snapshot.Endpoints.Get(back.Service)
		g.Endpoints = usable(eps.Port(port.Name, config.TCP), svc.Families)
	}
	return g
}

// port finds the Service port that a backend names.
func (e *edit) port(ing *config.Ingress, back config.IngressBackend, field string) (config.ServicePort, *config.Problem) {
	svc, ok := e.in.Snapshot.Services.Get(back.Service)
	if !ok {
		return config.ServicePort{}, noService(ing, back, field)
	}
	for _, p := range svc.Ports {
		if (p.Proto == config.TCP || p.Proto == "") && (back.Port != 0 && p.Port == back.Port || back.Port == 0 && p.Name == back.PortName) {
			return p, e.badName(ing, svc, back, field)
		}
	}
	if svc.Type == config.ExternalName && back.Port != 0 { // which need not list its ports
		return config.ServicePort{Port: back.Port}, e.badName(ing, svc, back, field)
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
