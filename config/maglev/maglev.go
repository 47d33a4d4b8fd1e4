// Package maglev fills tables by which a hash leads to one of several: to each about
// as often as to the others, and mostly to the same one when some come or go.
package maglev

import (
	"hash/fnv"
	"net/netip"
)

// Fill distributes the slots of a table over those that the hashes stand for, whose
// indices it holds (Eisenbud et al., NSDI 2016, section 3.4): each walks its own
// permutation of the slots, and they take turns in claiming the next free one. So the
// table depends on the hashes and their order only. size must be a power of two, so
// that any odd stride visits every slot; of hashes there may be 65,536 at most.
func Fill(hashes []uint64, size int) []uint16 {
	slots := make([]uint16, size)
	if len(hashes) <= 1 {
		return slots // slot value 0 is the only one
	}
	type walk struct{ at, stride uint32 }
	walks := make([]walk, len(hashes))
	for i, h := range hashes {
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

// Hash spreads addresses that differ in few bits over all 64.
func Hash(addr netip.AddrPort) uint64 {
	b := addr.Addr().As16()
	h := fnv.New64a()
	h.Write(b[:])
	h.Write([]byte{byte(addr.Port() >> 8), byte(addr.Port())})
	return Mix(h.Sum64()) // FNV leaves the high bits weak
}

// Mix spreads each bit of x over all 64, as MurmurHash3 ends.
func Mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
