package announce

import "net/netip"

// The hash below is part of the protocol between nodes: all versions that may
// run side by side must agree on it, on every architecture.

// hashBytes is FNV-1a, 64 bit.
func hashBytes(b []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return h
}

// mix is the finalizer of splitmix64; FNV alone leaves neighbouring addresses
// with correlated scores.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// score is the rendezvous weight of a node (by the hash of its name) for addr;
// the highest wins.
func score(nodeHash uint64, addr netip.Addr) uint64 {
	b := addr.As16()
	return mix(mix(hashBytes(b[:])) ^ nodeHash)
}
