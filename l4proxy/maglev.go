package l4proxy

import (
	"hash/fnv"
	"net/netip"
)

// Classes are the sizes a group's slot table may have, each four times the one
// before: the data plane has one fixed rule per size. They are powers of two,
// so that any odd stride visits every slot.
var Classes = [...]int{64, 256, 1024, 4096, 16384, 65536}

// slotsPerBackend bounds imbalance: with at least four slots each, the busiest
// backend of a group carries at most 5/4 of the share of the least busy one.
const slotsPerBackend = 4

// classOf is the smallest class that gives n backends their slots. Beyond the
// largest class the share per backend shrinks.
func classOf(n int) int {
	for c, size := range Classes {
		if n*slotsPerBackend <= size {
			return c
		}
	}
	return len(Classes) - 1
}

// Spread fills the slots of a group with these backends; nil without any.
func Spread(backends []Backend) []uint16 {
	if len(backends) == 0 {
		return nil
	}
	return fillSlots(backends, Classes[classOf(len(backends))])
}

// fillSlots distributes size slots over the backends with Maglev (Eisenbud et
// al., NSDI 2016, section 3.4): each backend walks its own permutation of the
// slots and they take turns in claiming the next free one. The result depends
// on the backends' addresses only, so every node computes the same one.
// size must be a power of two.
func fillSlots(backends []Backend, size int) []uint16 {
	slots := make([]uint16, size)
	if len(backends) <= 1 {
		return slots // slot value 0 is the only backend
	}
	type walk struct{ at, stride uint32 }
	walks := make([]walk, len(backends))
	for i, b := range backends {
		h := addrHash(b.Addr)
		walks[i] = walk{at: uint32(h), stride: uint32(h>>32) | 1}
	}
	taken := make([]bool, size)
	mask := uint32(size - 1)
	for filled := 0; ; {
		for i := range walks {
			w := &walks[i]
			for taken[w.at&mask] {
				w.at += w.stride
			}
			taken[w.at&mask] = true
			slots[w.at&mask] = uint16(i)
			if filled++; filled == size {
				return slots
			}
		}
	}
}

// addrHash spreads addresses that differ in few bits over all 64.
func addrHash(addr netip.AddrPort) uint64 {
	b := addr.Addr().As16()
	h := fnv.New64a()
	h.Write(b[:])
	h.Write([]byte{byte(addr.Port() >> 8), byte(addr.Port())})
	x := h.Sum64() // FNV leaves the high bits weak; finish as in MurmurHash3
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
