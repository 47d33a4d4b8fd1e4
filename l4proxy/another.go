package l4proxy

import (
	"net/netip"
	"slices"
)

// Another is the backend of frontend f for a client whom some have refused: the one
// of its hash, unless that is to be avoided; ok is false if all are.
func (t Table) Another(f Frontend, client netip.AddrPort, avoid func(netip.AddrPort) bool) (b Backend, ok bool) {
	here := slices.Contains(t.basis.addrs, client.Addr())
	group := t.groupFor(Packet{Src: client, Dst: f.Addr, Proto: f.Proto, Here: here}, t.Target(f))
	if group == nil || len(group.Backends) == 0 {
		return b, false
	}
	if b = group.Pick(client); !avoid(b.Addr) {
		return b, true
	}
	rest := slices.DeleteFunc(slices.Clone(group.Backends), func(b Backend) bool { return avoid(b.Addr) })
	if len(rest) == 0 {
		return b, false
	}
	return rest[Slot(client, group.Affinity, len(rest))], true
}
