package hpack

import "encoding/binary"

// The code of appendix B is canonical: codes of the same length follow each
// other in the order of their symbols, and shorter codes come first. So the
// lengths say everything.
const (
	symbols  = 257 // all bytes, and EOS
	eos      = 256
	longest  = 30
	shortest = 5
)

// codeLengths are those of appendix B.
var codeLengths = [symbols]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
}

// code is a code with its length, or a symbol with the length of its code.
type code struct {
	value  uint32
	length uint8
}

// huffman is what follows from the lengths.
type huffman struct {
	codes [symbols]code
	// short has the symbols whose codes have eight bits at most, by the next
	// eight bits; others have no length there.
	short [256]code
	// For the longer ones: the symbols in the order of their codes; per length
	// the first code, the index of its symbol, and the end of its codes where
	// they stand at the top of 32 bits.
	order [symbols]uint16
	first [longest + 1]uint32
	index [longest + 1]uint32
	end   [longest + 1]uint64
}

var huff = makeHuffman()

func makeHuffman() *huffman {
	h := &huffman{}
	next, n := uint32(0), uint32(0)
	for l := uint8(shortest); l <= longest; l++ {
		next <<= 1
		h.first[l], h.index[l] = next, n
		for s, sl := range codeLengths {
			if sl != l {
				continue
			}
			h.codes[s] = code{next, l}
			h.order[n] = uint16(s)
			if l <= 8 {
				for i := range uint32(1) << (8 - l) {
					h.short[next<<(8-l)|i] = code{uint32(s), l}
				}
			}
			next, n = next+1, n+1
		}
		h.end[l] = uint64(next) << (32 - l)
	}
	return h
}

// symbol is the one that w begins with.
func (h *huffman) symbol(w uint32) code {
	if c := h.short[w>>24]; c.length != 0 {
		return c
	}
	l := 9
	for uint64(w) >= h.end[l] {
		l++ // ends at the last: its end is greater than any w
	}
	return code{uint32(h.order[h.index[l]+w>>(32-l)-h.first[l]]), uint8(l)}
}

// appendDecoded appends the string that src encodes.
func appendDecoded(dst, src []byte) ([]byte, error) {
	var window uint64 // what comes next, at the top
	var have uint     // bits of it
	for {
		if len(src) >= 8 {
			window |= binary.BigEndian.Uint64(src) >> have
			bytes := (63 - have) / 8
			src, have = src[bytes:], have+8*bytes
		} else {
			for have <= 56 && len(src) > 0 {
				window |= uint64(src[0]) << (56 - have)
				src, have = src[1:], have+8
			}
		}
		if have < longest {
			return appendLast(dst, window, have)
		}
		for have >= longest {
			c := huff.symbol(uint32(window >> 32))
			if c.value == eos {
				return dst, ErrHuffman
			}
			dst = append(dst, byte(c.value))
			// What the first load left below the bits that count is not zero and
			// will be loaded again: the same bits in the same place.
			window, have = window<<c.length, have-uint(c.length)
		}
	}
}

// appendLast decodes the last bits, whose padding are the first bits of EOS, all
// ones, and less than a byte (section 5.2).
func appendLast(dst []byte, window uint64, have uint) ([]byte, error) {
	for {
		w := uint32(window>>32) | (uint32(1)<<(32-have) - 1)
		c := huff.symbol(w)
		if uint(c.length) > have {
			if have > 7 || w != 1<<32-1 {
				return dst, ErrHuffman
			}
			return dst, nil
		}
		dst = append(dst, byte(c.value)) // EOS is longer than what is left
		window, have = window<<c.length, have-uint(c.length)
	}
}

// encodedLen is the number of bytes that s takes in Huffman code.
func encodedLen(s []byte) int {
	bits := 0
	for _, c := range s {
		bits += int(codeLengths[c])
	}
	return (bits + 7) / 8
}

// appendEncoded appends s in Huffman code.
func appendEncoded(dst, s []byte) []byte {
	var window uint64 // what is not written yet, at the bottom
	var have uint
	for _, b := range s {
		c := huff.codes[b]
		window, have = window<<c.length|uint64(c.value), have+uint(c.length)
		if have >= 32 {
			have -= 32
			dst = binary.BigEndian.AppendUint32(dst, uint32(window>>have))
		}
	}
	for have >= 8 {
		have -= 8
		dst = append(dst, byte(window>>have))
	}
	if have > 0 {
		dst = append(dst, byte(window<<(8-have))|(byte(1)<<(8-have)-1))
	}
	return dst
}
