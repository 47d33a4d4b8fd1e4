package hpack

import "math"

// readInteger reads an integer whose first bits are the low ones of b[0]
// (section 5.1). b is not empty.
func readInteger(b []byte, prefix uint) (n uint32, rest []byte, err error) {
	full := uint64(1)<<prefix - 1
	v := uint64(b[0]) & full
	b = b[1:]
	if v < full {
		return uint32(v), b, nil
	}
	for shift := uint(0); ; shift += 7 {
		if len(b) == 0 {
			return 0, nil, ErrTruncated
		}
		if shift > 28 {
			return 0, nil, ErrInteger // five bytes hold 32 bits, zeros behind them are no use
		}
		c := b[0]
		b = b[1:]
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			break
		}
	}
	if v > math.MaxUint32 {
		return 0, nil, ErrInteger
	}
	return uint32(v), b, nil
}

// appendInteger writes n after the bits of kind, which stand above the prefix.
func appendInteger(dst []byte, kind byte, prefix uint, n uint32) []byte {
	full := uint32(1)<<prefix - 1
	if n < full {
		return append(dst, kind|byte(n))
	}
	dst = append(dst, kind|byte(full))
	for n -= full; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}
