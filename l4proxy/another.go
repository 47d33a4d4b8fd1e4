package l4proxy

import (
	"net/netip"
	"slices"
)

// Another is a backend of frontend f for a client whom others have refused: one that
// is not to be avoided; ok is false if there is none.
func (t Table) Another(f Frontend, client netip.AddrPort, avoid func(netip.AddrPort) bool) (b Backend, ok bool) {
	here := slices.Contains(t.basis.addrs, client.Addr())
	group := t.groupFor(Packet{Src: client, Dst: f.Addr, Proto: f.Proto, Here: here}, t.Target(f))
	if group == nil {
		return b, false
	}
	rest := slices.DeleteFunc(slices.Clone(group.Backends), func(b Backend) bool { return avoid(b.Addr) })
	if len(rest) == 0 {
		return b, false
	}
	return rest[Slot(client, group.Affinity, len(rest))], true
}
