package l4proxy

import (
	"net/netip"

	"github.com/steelyard-lb/steelyard/config"
)

// Packet is the first packet of a connection.
type Packet struct {
	Src, Dst netip.AddrPort
	Proto    config.Proto
	Here     bool // sent by this node itself
}

// Verdict is what the forwarder does with a packet.
type Verdict struct {
	Action     Action
	Backend    netip.AddrPort // with Forward: the new destination
	Masquerade bool           // with Forward: the source becomes this node
}

// Trace says where a packet ends. It is the meaning of a table, which a data
// plane has to reproduce; it is meant for tests and for the plan command.
func (t Table) Trace(p Packet) Verdict {
	target := t.Target(Frontend{Addr: p.Dst, Proto: p.Proto})
	group := t.groupFor(p, target)
	switch {
	case group != nil && len(group.Backends) > 0:
		if !group.Allows(p.Src.Addr()) {
			return Verdict{Action: Drop}
		}
		b := group.Pick(p.Src)
		// A local backend answers through this node anyway and sees the
		// client's address, unless it is itself the client (hairpin).
		_, local := t.locals.Get(b.Addr.Addr())
		return Verdict{Action: Forward, Backend: b.Addr, Masquerade: !local || b.Addr.Addr() == p.Src.Addr()}
	case target.Action != Pass:
		return Verdict{Action: target.Action}
	}
	if t.Serves(p.Dst.Addr()) {
		return Verdict{Action: Reject}
	}
	return Verdict{}
}
