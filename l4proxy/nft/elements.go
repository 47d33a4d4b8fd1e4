package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// Group IDs of frontends without a group. No flags are set, and a real ID is a
// 59-bit hash, so that they collide with nothing.
const (
	rejectID uint64 = 1
	dropID   uint64 = 2
)

var protoNumbers = map[config.Proto]byte{
	config.TCP: unix.IPPROTO_TCP, config.UDP: unix.IPPROTO_UDP, config.SCTP: unix.IPPROTO_SCTP,
}

// arena hands out short byte slices from large blocks: a cold load makes
// millions of keys and values.
type arena struct{ block, free []byte }

func (a *arena) bytes(n int) []byte {
	if len(a.free) < n {
		a.block = make([]byte, max(n, 64<<10))
		a.free = a.block
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

// reuse takes back all that was handed out of the block at hand.
func (a *arena) reuse() { a.free = a.block }

func (a *arena) join(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := a.bytes(n)[:0]
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// padded is a port in network order, padded to a register.
func padded(port uint16) []byte { return []byte{byte(port >> 8), byte(port), 0, 0} }

func (a *arena) frontendKey(f l4proxy.Frontend) []byte {
	return a.join(f.Addr.Addr().AsSlice(), []byte{protoNumbers[f.Proto], 0, 0, 0}, padded(f.Addr.Port()))
}

// frontend is an element of the map frontends.
func (a *arena) frontend(f l4proxy.Frontend, t l4proxy.Target) nftables.SetElement {
	id := rejectID
	switch t.Action {
	case l4proxy.Forward:
		id = t.Group.ID
	case l4proxy.Drop:
		id = dropID
	}
	return nftables.SetElement{Key: a.frontendKey(f), Val: a.join(groupValue(id))}
}

// insideFrontend is an element of the map inside.
func (a *arena) insideFrontend(f l4proxy.Frontend, g *l4proxy.Group) nftables.SetElement {
	return nftables.SetElement{Key: a.frontendKey(f), Val: a.join(groupValue(g.ID))}
}

// ranges are intervals of addresses: the first inside and the first behind,
// which the highest range of all does not have.
func (a *arena) ranges(list []config.Range) []nftables.SetElement {
	var out []nftables.SetElement
	for _, r := range list {
		out = append(out, nftables.SetElement{Key: a.join(r.From.AsSlice())})
		if end := r.To.Next(); end.IsValid() {
			out = append(out, nftables.SetElement{Key: a.join(end.AsSlice()), IntervalEnd: true})
		}
	}
	return out
}

// slot is an element of the map backends. Its key has no flags: the rule that
// looks it up has cleared them.
func (a *arena) slot(g *l4proxy.Group, slot int) nftables.SetElement {
	key := a.bytes(12)
	binary.BigEndian.PutUint64(key, g.ID&^l4proxy.IDFlags)
	binary.NativeEndian.PutUint32(key[8:], uint32(slot))
	addr := g.Backends[g.Slots[slot]].Addr
	return nftables.SetElement{Key: key, Val: a.join(addr.Addr().AsSlice(), padded(addr.Port()))}
}

func (a *arena) slots(out []nftables.SetElement, g *l4proxy.Group) []nftables.SetElement {
	for s := range g.Slots {
		out = append(out, a.slot(g, s))
	}
	return out
}

// sources appends the intervals of a group: the first key inside and the first
// behind. The end of the highest range of all carries over into the group ID.
func (a *arena) sources(out []nftables.SetElement, g *l4proxy.Group) []nftables.SetElement {
	if len(g.Slots) == 0 {
		return out
	}
	for _, r := range g.Sources {
		from := a.join(idBytes(g.ID&^l4proxy.IDFlags), r.From.AsSlice())
		end := a.join(idBytes(g.ID&^l4proxy.IDFlags), r.To.AsSlice())
		increment(end)
		out = append(out, nftables.SetElement{Key: from}, nftables.SetElement{Key: end, IntervalEnd: true})
	}
	return out
}

func increment(number []byte) {
	for i := len(number) - 1; i >= 0; i-- {
		if number[i]++; number[i] != 0 {
			return
		}
	}
}

func (a *arena) addrs(list []netip.Addr, times int) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, len(list))
	for _, addr := range list {
		key := addr.AsSlice()
		if times == 2 {
			key = a.join(key, key)
		}
		out = append(out, nftables.SetElement{Key: key})
	}
	return out
}

// parseFrontend reads a key of the map frontends.
func (f *family) parseFrontend(key []byte) (l4proxy.Frontend, bool) {
	if len(key) != f.addrLen+8 {
		return l4proxy.Frontend{}, false
	}
	addr, _ := netip.AddrFromSlice(key[:f.addrLen])
	for proto, number := range protoNumbers {
		if number == key[f.addrLen] {
			port := binary.BigEndian.Uint16(key[f.addrLen+4:])
			return l4proxy.Frontend{Addr: netip.AddrPortFrom(addr, port), Proto: proto}, true
		}
	}
	return l4proxy.Frontend{}, false
}

// dispatchElements lead from the flags of a group ID to a chain of w.
func dispatchElements(w way) []nftables.SetElement {
	var out []nftables.SetElement
	for flags, chain := range variantNames() {
		out = append(out, nftables.SetElement{Key: flagBytes(flags),
			VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: w.prefix + chain}})
	}
	return out
}
