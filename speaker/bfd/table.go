package bfd

import (
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// table finds the session of a packet (RFC 5880, 6.3).
type table struct {
	byDiscriminator map[uint32]*running
	byPeer          map[netip.Addr][]*running // those that are wanted
}

func newTable() table {
	return table{map[uint32]*running{}, map[netip.Addr][]*running{}}
}

func (t table) add(r *running) {
	t.byDiscriminator[r.machine.Discriminator()] = r
	t.byPeer[r.want.Peer] = append(t.byPeer[r.want.Peer], r)
}

// hide keeps a session that ends from being found by its addresses.
func (t table) hide(r *running) {
	rest := slices.DeleteFunc(t.byPeer[r.want.Peer], func(o *running) bool { return o == r })
	if t.byPeer[r.want.Peer] = rest; len(rest) == 0 {
		delete(t.byPeer, r.want.Peer)
	}
}

func (t table) remove(r *running) {
	t.hide(r)
	delete(t.byDiscriminator, r.machine.Discriminator())
}

// find is the session that p, which came as d at a listener, is for. Whoever
// guesses a discriminator must also come from where its peer is.
func (t table) find(at place, d datagram, p packet.Packet) (*running, packet.Discard) {
	if !at.multiHop && d.ttl != ttl {
		return nil, packet.BadTTL
	}
	r, why := t.lookUp(at, d, p.Yours)
	if r != nil && d.ttl < r.want.minTTL() {
		return nil, packet.BadTTL
	}
	return r, why
}

func (t table) lookUp(at place, d datagram, discriminator uint32) (*running, packet.Discard) {
	if discriminator != 0 {
		r := t.byDiscriminator[discriminator]
		switch {
		case r == nil:
			return nil, packet.UnknownSession
		case !r.isPathOf(at, d):
			return nil, packet.WrongPath
		}
		return r, packet.Kept
	}
	for _, r := range t.byPeer[d.from] {
		if r.isPathOf(at, d) {
			return r, packet.Kept
		}
	}
	return nil, packet.NoSession
}

// isPathOf tells whether a packet came the way that the session's come.
func (r *running) isPathOf(at place, d datagram) bool {
	want := r.want.Path
	return d.from == want.Peer && at == placeOf(want) &&
		(!want.Local.IsValid() || d.to == want.Local) &&
		(want.Interface == "" || r.out != nil && d.ifindex == r.out.ifindex)
}
