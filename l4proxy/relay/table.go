package relay

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
	"github.com/steelyard-lb/steelyard/l4proxy/relay/proxyproto"
)

// table is a [Config] made ready to look things up in. It does not change.
type table struct {
	digest    string
	frontends map[netip.AddrPort]*frontend
	insiders  []config.Range
}

type frontend struct {
	version       proxyproto.Version
	from          []netip.Prefix // whose connections begin with a header
	group, inside *group
}

// group is a group of backends; see [l4proxy.Group].
type group struct {
	affinity bool
	backends []netip.AddrPort
	slots    []uint16
	keeps    map[netip.AddrPort]bool
}

func newTable(c Config) *table {
	t := &table{digest: c.Digest, frontends: make(map[netip.AddrPort]*frontend, len(c.Frontends)), insiders: c.Insiders}
	groups := make([]*group, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = newGroup(g)
	}
	for _, f := range c.Frontends {
		made := &frontend{version: proxyproto.Version(f.ProxyProtocol), from: f.From}
		if f.Group != nil {
			made.group = groups[*f.Group]
		}
		if f.Inside != nil {
			made.inside = groups[*f.Inside]
		}
		t.frontends[f.Addr] = made
	}
	return t
}

func newGroup(g Group) *group {
	out := &group{affinity: g.Affinity, backends: g.Backends, keeps: map[netip.AddrPort]bool{}}
	spread := make([]l4proxy.Backend, len(g.Backends))
	for i, addr := range g.Backends {
		spread[i].Addr, out.keeps[addr] = addr, true
	}
	out.slots = l4proxy.Spread(spread)
	for _, addr := range g.Draining {
		out.keeps[addr] = true
	}
	return out
}

// groupFor is the group that serves client at a frontend, nil if none does.
func (t *table) groupFor(addr netip.AddrPort, client netip.Addr) *group {
	f := t.frontends[addr]
	if f == nil {
		return nil
	}
	g := f.group
	inside := func(r config.Range) bool { return r.Contains(client) }
	if f.inside != nil && slices.ContainsFunc(t.insiders, inside) {
		g = f.inside
	}
	if g == nil || len(g.backends) == 0 {
		return nil
	}
	return g
}

// believes tells whether connections of peer begin with a header.
func (f *frontend) believes(peer netip.Addr) bool {
	return slices.ContainsFunc(f.from, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// comesBack tells whether a connection to a backend would be led to this relay
// again, and from there to its backends, and so on: Services that name each other's
// addresses, or their own node ports, as endpoints.
func (t *table) comesBack(backend netip.AddrPort) bool { return t.frontends[backend] != nil }

// keeps tells whether connections to a backend go on. What has no frontend any
// more goes on, as it does where the kernel forwards.
func (t *table) keeps(addr, backend netip.AddrPort) bool {
	f := t.frontends[addr]
	return f == nil || f.group != nil && f.group.keeps[backend] || f.inside != nil && f.inside.keeps[backend]
}

// pick is the backend of a client: first the one that every node chooses, and if
// that was tried already, the one that the next slots have.
func (g *group) pick(client netip.AddrPort, tried []netip.AddrPort) (netip.AddrPort, bool) {
	if len(tried) >= len(g.backends) {
		return netip.AddrPort{}, false
	}
	first := l4proxy.Slot(client, g.affinity, len(g.slots))
	for i := range g.slots {
		addr := g.backends[g.slots[(first+i)%len(g.slots)]]
		if !slices.Contains(tried, addr) {
			return addr, true
		}
	}
	return netip.AddrPort{}, false
}
