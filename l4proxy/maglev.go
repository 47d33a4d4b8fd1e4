package l4proxy

import "github.com/steelyard-lb/steelyard/config/maglev"

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

// fillSlots distributes size slots over the backends. The result depends on their
// addresses only, so every node computes the same one.
func fillSlots(backends []Backend, size int) []uint16 {
	hashes := make([]uint64, len(backends))
	for i, b := range backends {
		hashes[i] = maglev.Hash(b.Addr)
	}
	return maglev.Fill(hashes, size)
}
