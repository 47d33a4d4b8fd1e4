package l4proxy

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Seed makes the hash of a flow the same on every node. It is part of the
// protocol between nodes: with another seed a failover re-spreads all flows.
const Seed uint32 = 0x57ee17a4

// HashInput is what the data plane hashes for a client: its address and, unless
// the Service wants affinity, its port in network order, padded to four bytes
// as nftables registers are. With affinity the port is left out.
func HashInput(client netip.AddrPort, affinity bool) []byte {
	in := client.Addr().Unmap().AsSlice()
	if affinity {
		return in
	}
	return append(in, byte(client.Port()>>8), byte(client.Port()), 0, 0)
}

// Slot is the slot of a table of that many slots for a client.
func Slot(client netip.AddrPort, affinity bool, slots int) int {
	h := jhash(HashInput(client, affinity), Seed)
	return int(uint64(h) * uint64(slots) >> 32) // reciprocal_scale
}

// jhash is Bob Jenkins' lookup3 hash in the variant of the Linux kernel on a
// little-endian machine (include/linux/jhash.h), which nftables evaluates.
func jhash(key []byte, initval uint32) uint32 {
	a := 0xdeadbeef + uint32(len(key)) + initval
	b, c := a, a
	for ; len(key) > 12; key = key[12:] {
		a += binary.LittleEndian.Uint32(key)
		b += binary.LittleEndian.Uint32(key[4:])
		c += binary.LittleEndian.Uint32(key[8:])
		a, b, c = jhashMix(a, b, c)
	}
	if len(key) == 0 {
		return c
	}
	var tail [12]byte
	copy(tail[:], key)
	a += binary.LittleEndian.Uint32(tail[:])
	b += binary.LittleEndian.Uint32(tail[4:])
	c += binary.LittleEndian.Uint32(tail[8:])
	return jhashFinal(a, b, c)
}

func jhashMix(a, b, c uint32) (uint32, uint32, uint32) {
	a = (a - c) ^ bits.RotateLeft32(c, 4)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 6)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 8)
	b += a
	a = (a - c) ^ bits.RotateLeft32(c, 16)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 19)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 4)
	b += a
	return a, b, c
}

func jhashFinal(a, b, c uint32) uint32 {
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	return (c ^ b) - bits.RotateLeft32(b, 24)
}
