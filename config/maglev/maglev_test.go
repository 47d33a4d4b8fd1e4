package maglev

import (
	"math/bits"
	"net/netip"
	"slices"
	"testing"
)

func many(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = Hash(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 8080))
	}
	return out
}

// slowFill is Maglev as its paper has it: write down every permutation, then let
// them take turns.
func slowFill(hashes []uint64, size int) []uint16 {
	wishes := make([][]int, len(hashes))
	for i, h := range hashes {
		for k := range size {
			wishes[i] = append(wishes[i], int((h+uint64(k)*(h>>32|1))%uint64(size)))
		}
	}
	owner := map[int]int{}
	for len(owner) < size {
		for i := range hashes {
			for len(wishes[i]) > 0 {
				slot := wishes[i][0]
				wishes[i] = wishes[i][1:]
				if _, taken := owner[slot]; !taken {
					owner[slot] = i
					break
				}
			}
		}
	}
	out := make([]uint16, size)
	for slot, i := range owner {
		out[slot] = uint16(i)
	}
	return out
}

func TestFillAgainstSlowTwin(t *testing.T) {
	for _, size := range []int{1, 64, 256, 1024} {
		for n := 1; n <= size; n += 1 + n/4 {
			if got, want := Fill(many(n), size), slowFill(many(n), size); !slices.Equal(got, want) {
				t.Errorf("%d in %d slots: %v, the plain version says %v", n, size, got, want)
			}
		}
	}
}

// TestMix: a bit more or less changes about half of the bits.
func TestMix(t *testing.T) {
	sum := 0
	for i := range 64 {
		sum += bits.OnesCount64(Mix(12345) ^ Mix(12345^1<<i))
	}
	if mean := sum / 64; mean < 28 || mean > 36 {
		t.Errorf("%d bits of 64 change", mean)
	}
}
