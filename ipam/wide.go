package ipam

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
)

// wide is an address as a 128-bit number; IPv4 uses the low 32 bits.
type wide struct{ hi, lo uint64 }

func wideOf(addr netip.Addr) wide {
	if addr.Is4() {
		b := addr.As4()
		return wide{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := addr.As16()
	return wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr4 and addr6 turn a number back into an address of the family.
func (w wide) addr4() netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(w.lo))
	return netip.AddrFrom4(b)
}

func (w wide) addr6() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], w.hi)
	binary.BigEndian.PutUint64(b[8:], w.lo)
	return netip.AddrFrom16(b)
}

func (w wide) less(o wide) bool {
	return w.hi < o.hi || w.hi == o.hi && w.lo < o.lo
}

func (w wide) plus(o wide) wide {
	lo, carry := bits.Add64(w.lo, o.lo, 0)
	hi, _ := bits.Add64(w.hi, o.hi, carry)
	return wide{hi, lo}
}

func (w wide) minus(o wide) wide {
	lo, borrow := bits.Sub64(w.lo, o.lo, 0)
	hi, _ := bits.Sub64(w.hi, o.hi, borrow)
	return wide{hi, lo}
}

func (w wide) xor(o wide) wide { return wide{w.hi ^ o.hi, w.lo ^ o.lo} }

// shl and shr shift by n bits; n may be 128 or more.
func (w wide) shl(n uint) wide {
	if n >= 64 {
		return wide{hi: w.lo << (n - 64)}
	}
	return wide{w.hi<<n | w.lo>>(64-n), w.lo << n}
}

func (w wide) shr(n uint) wide {
	if n >= 64 {
		return wide{lo: w.hi >> (n - 64)}
	}
	return wide{w.hi >> n, w.lo>>n | w.hi<<(64-n)}
}

// bitLen is the number of bits needed for w.
func (w wide) bitLen() uint {
	if w.hi != 0 {
		return 64 + uint(bits.Len64(w.hi))
	}
	return uint(bits.Len64(w.lo))
}

// saturated is w as a count, at most the largest int64.
func (w wide) saturated() int64 {
	if w.hi != 0 || w.lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(w.lo)
}
