package l4proxy

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Relay is what a process on this node does with connections of a frontend, for
// what the kernel cannot: backends that speak the PROXY protocol. To the kernel
// the process is the only backend of such a frontend, so that it needs no rule of
// its own, and all that is decided before (source ranges, who is inside) still is.
type Relay struct {
	ProxyProtocol *config.ProxyProtocol // nil: not relayed
	// Group and Inside are what those of the [Target] would be if the kernel led
	// connections to the backends. Where it would refuse or drop them, Group has no
	// backends, but those that keep the connections they have; nil if there are none.
	Group, Inside *Group
}

// On tells whether there is anything to relay at all.
func (r Relay) On() bool { return r.ProxyProtocol != nil }

// Relayed ranges over the frontends that the relay serves, in no particular order,
// be it there or not.
func (t Table) Relayed() iter.Seq2[Frontend, Relay] { return t.relayed.All() }

// RelayedLen is how many they are.
func (t Table) RelayedLen() int { return t.relayed.Len() }

// Insiders are the clients that are inside the cluster: the node itself and its
// pods.
func (t Table) Insiders() []config.Range {
	out := slices.Clone(t.pods)
	for _, addr := range t.basis.addrs {
		out = append(out, config.Range{From: addr, To: addr})
	}
	return out
}

// Reaches tells whether the kernel can lead a frontend to the relay: this node has
// an address of that family.
func (t Table) Reaches(f Frontend) bool {
	return relayOf(t.basis.relay, config.FamilyOf(f.Addr.Addr())) >= 0
}

// relayOf is the index of the address of that family, below 0 if there is none.
func relayOf(relay []netip.AddrPort, family config.Family) int {
	return slices.IndexFunc(relay, func(a netip.AddrPort) bool { return config.FamilyOf(a.Addr()) == family })
}

// LedToRelay tells whether addr is where the relay listens. What becomes of
// connections there is its business.
func (t Table) LedToRelay(addr netip.AddrPort) bool { return slices.Contains(t.basis.relay, addr) }

// relays tells whether the ports of that protocol are relayed.
func (w *builder) relays(p config.Proto) bool {
	return w.part.svc.ProxyProtocol != nil && p == config.TCP
}

// keep has a group of the part written, or not if it is behind the relay.
func (w *builder) keep(g *Group) {
	if w.relays(g.Key.Proto) {
		w.part.behind = append(w.part.behind, g)
	} else {
		w.part.groups = append(w.part.groups, g)
	}
}

// throughRelay leads to the relay what t leads to backends. Where there is no
// relay such connections are refused: a backend that awaits a header must not get
// one without, nor one that lost the client's address.
func (w *builder) throughRelay(t Target) Target {
	out := Target{Action: t.Action, Group: w.leading(t.Group), Relay: Relay{ProxyProtocol: w.part.svc.ProxyProtocol}}
	if len(t.Group.Backends)+len(t.Group.Draining) > 0 {
		out.Relay.Group = t.Group
	}
	if t.Action == Forward && len(out.Group.Backends) == 0 {
		out.Action = Reject
	}
	if t.Inside != nil {
		out.Relay.Inside = t.Inside
		if g := w.leading(t.Inside); len(g.Backends) > 0 {
			out.Inside = g
		}
	}
	return out
}

// leading is the group that leads to the relay in place of one behind it.
// Connections that the kernel led to a backend of that one before go on.
func (w *builder) leading(behind *Group) *Group {
	key := behind.Key
	key.Relayed = true
	var c choice
	i := relayOf(w.basis.relay, key.Family)
	if len(behind.Backends) > 0 && i >= 0 {
		c.backends = []Backend{{Addr: w.basis.relay[i], Local: true}}
	}
	for _, b := range behind.Backends {
		c.draining = append(c.draining, Drain{Addr: b.Addr, Serving: true})
	}
	c.draining = append(c.draining, behind.Draining...)
	slices.SortFunc(c.draining, func(a, b Drain) int { return a.Addr.Compare(b.Addr) })
	g := w.group(key, c)
	w.part.groups = append(w.part.groups, g)
	return g
}
