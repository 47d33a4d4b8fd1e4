package l4proxy

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Chances are the second chances of connections that this node knows nothing
// of, because they were opened while another node had the address: their
// packets are handed to that node, which knows them.
type Chances struct {
	Hops map[netip.Addr]Hop // external address → the node that had it before

	// Nodes are the interfaces of the other nodes, sorted. What comes from one
	// of them is handed to nobody, so that no packet goes round in circles.
	Nodes []MAC
}

// Hop is a neighbour on one of this node's links.
type Hop struct {
	Addr netip.Addr
	Link int // interface index
}

// MAC is a hardware address.
type MAC [6]byte

// HopChange is an address whose packets go elsewhere. A zero Hop means that
// they stay here.
type HopChange struct {
	Addr     netip.Addr
	Old, New Hop
}

// Equal tells whether c and o are the same chances.
func (c Chances) Equal(o Chances) bool {
	return maps.Equal(c.Hops, o.Hops) && slices.Equal(c.Nodes, o.Nodes)
}

// of are the chances of addresses in served. Without any, nobody need know the
// other nodes.
func (c Chances) of(served config.Table[netip.Addr, int]) Chances {
	out := Chances{Nodes: c.Nodes}
	for addr, hop := range c.Hops {
		if _, ok := served.Get(addr); !ok {
			continue
		}
		if out.Hops == nil {
			out.Hops = make(map[netip.Addr]Hop, len(c.Hops))
		}
		out.Hops[addr] = hop
	}
	if out.Hops == nil {
		return Chances{}
	}
	return out
}

// diffChances is what changes from old to new.
func (d *Delta) diffChances(old, new Chances) {
	for addr, hop := range old.Hops {
		if now := new.Hops[addr]; now != hop {
			d.Hops = append(d.Hops, HopChange{addr, hop, now})
		}
	}
	for addr, hop := range new.Hops {
		if _, was := old.Hops[addr]; !was {
			d.Hops = append(d.Hops, HopChange{addr, Hop{}, hop})
		}
	}
	d.NewNodes, d.OldNodes = without(new.Nodes, old.Nodes), without(old.Nodes, new.Nodes)
}

// without are the members of list that are not in less; both are sorted.
func without(list, less []MAC) (out []MAC) {
	for _, m := range list {
		if _, in := slices.BinarySearchFunc(less, m, MAC.Compare); !in {
			out = append(out, m)
		}
	}
	return out
}

// Compare orders hardware addresses.
func (m MAC) Compare(o MAC) int { return slices.Compare(m[:], o[:]) }
