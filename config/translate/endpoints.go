package translate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// ServiceOf is the Service that an EndpointSlice belongs to; ok is false if it
// belongs to none.
func ServiceOf(o *discoveryv1.EndpointSlice) (_ config.Key, ok bool) {
	name := o.Labels[discoveryv1.LabelServiceName]
	return config.Key{Namespace: o.Namespace, Name: name}, name != ""
}

type portKey struct {
	name  string
	proto config.Proto
	port  uint16 // of the backends; kept apart until the end
}

// Endpoints merges the EndpointSlices of one Service, of both families. Of
// duplicates, which a slice on its way to another one may leave for a moment,
// the one most ready counts. The result is nil if there are no slices.
func Endpoints(svc config.Key, slcs []*discoveryv1.EndpointSlice) *config.Endpoints {
	if len(slcs) == 0 {
		return nil
	}
	found := map[portKey]map[netip.AddrPort]config.Backend{}
	for _, o := range slcs {
		if o.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, p := range o.Ports {
			if p.Port == nil || port(*p.Port) == 0 {
				continue // all ports: not something to forward to
			}
			key := portKey{value(p.Name), proto(corev1.Protocol(value(p.Protocol))), port(*p.Port)}
			if found[key] == nil {
				found[key] = map[netip.AddrPort]config.Backend{}
			}
			addBackends(found[key], o, key.port)
		}
	}
	return &config.Endpoints{Service: svc, Ports: endpointPorts(found)}
}

func addBackends(into map[netip.AddrPort]config.Backend, o *discoveryv1.EndpointSlice, port uint16) {
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if len(e.Addresses) == 0 {
			continue
		}
		// all addresses of an endpoint are the same endpoint: the first will do
		addr, err := parseAddr(e.Addresses[0])
		if err != nil || addr.Is4() != (o.AddressType == discoveryv1.AddressTypeIPv4) {
			continue
		}
		b := backend(netip.AddrPortFrom(addr, port), e)
		if old, ok := into[b.Addr]; !ok || compareReadiness(b, old) > 0 {
			into[b.Addr] = b
		}
	}
}

// backend applies the defaults of the EndpointSlice API to unset conditions.
func backend(at netip.AddrPort, e *discoveryv1.Endpoint) config.Backend {
	c := &e.Conditions
	b := config.Backend{Addr: at, Node: value(e.NodeName), Zone: value(e.Zone), Hints: hints(e.Hints)}
	b.Ready = c.Ready == nil || *c.Ready
	b.Serving = b.Ready
	if c.Serving != nil {
		b.Serving = *c.Serving
	}
	b.Terminating = c.Terminating != nil && *c.Terminating
	return b
}

func hints(h *discoveryv1.EndpointHints) *config.Hints {
	if h == nil || len(h.ForNodes)+len(h.ForZones) == 0 {
		return nil
	}
	out := &config.Hints{}
	for _, n := range h.ForNodes {
		out.Nodes = append(out.Nodes, n.Name)
	}
	for _, z := range h.ForZones {
		out.Zones = append(out.Zones, z.Name)
	}
	return out
}

// compareReadiness orders two reports about one backend, with node, zone and
// hints as the last word so that the order of the slices does not matter.
func compareReadiness(a, b config.Backend) int {
	for _, c := range [][2]bool{{a.Ready, b.Ready}, {a.Serving, b.Serving}, {b.Terminating, a.Terminating}} {
		if c[0] != c[1] {
			if c[0] {
				return 1
			}
			return -1
		}
	}
	if c := strings.Compare(a.Node, b.Node); c != 0 {
		return c
	}
	if c := strings.Compare(a.Zone, b.Zone); c != 0 {
		return c
	}
	return cmp.Or(slices.Compare(a.Hints.ForNodes(), b.Hints.ForNodes()), slices.Compare(a.Hints.ForZones(), b.Hints.ForZones()))
}

// endpointPorts joins what belongs to one Service port, whose backends may
// listen on different port numbers, and sorts everything.
func endpointPorts(found map[portKey]map[netip.AddrPort]config.Backend) []config.EndpointPort {
	byName := map[portKey]*config.EndpointPort{}
	for key, backends := range found {
		key.port = 0
		p := byName[key]
		if p == nil {
			p = &config.EndpointPort{Name: key.name, Proto: key.proto}
			byName[key] = p
		}
		for _, b := range backends {
			p.Backends = append(p.Backends, b)
		}
	}
	var out []config.EndpointPort
	for _, p := range byName {
		slices.SortFunc(p.Backends, func(a, b config.Backend) int { return a.Addr.Compare(b.Addr) })
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b config.EndpointPort) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(string(a.Proto), string(b.Proto))
	})
	return out
}
