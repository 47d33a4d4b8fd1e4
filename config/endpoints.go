package config

import "net/netip"

// Endpoints are all endpoints of one Service, merged from its EndpointSlices.
type Endpoints struct {
	Service Key
	Ports   []EndpointPort // sorted by name, protocol, port
}

// EndpointPort holds the backends behind one named Service port. Backends are
// sorted by address and port and hold no duplicates.
type EndpointPort struct {
	Name     string // name of the Service port
	Proto    Proto
	Backends []Backend
}

// Backend is one address and port that answers for a Service port, with the
// EndpointSlice conditions (KEP-1672). A nil condition in the API reads as its
// documented default.
type Backend struct {
	Addr        netip.AddrPort
	Node        string // "" if unknown or outside the cluster
	Zone        string
	Ready       bool
	Serving     bool
	Terminating bool
	Hints       *Hints // nil: none
}

// Hints are the nodes and zones whose clients an endpoint is meant for
// (KEP-2433, KEP-3015).
type Hints struct{ Nodes, Zones []string }

// ForNodes are the nodes, none without hints.
func (h *Hints) ForNodes() []string {
	if h == nil {
		return nil
	}
	return h.Nodes
}

// ForZones are the zones, none without hints.
func (h *Hints) ForZones() []string {
	if h == nil {
		return nil
	}
	return h.Zones
}

// Port returns the backends of the Service port of that name and protocol.
func (e *Endpoints) Port(name string, proto Proto) []Backend {
	if e == nil {
		return nil
	}
	for i := range e.Ports {
		if e.Ports[i].Name == name && e.Ports[i].Proto == proto {
			return e.Ports[i].Backends
		}
	}
	return nil
}
