package l4proxy

import (
	"net/netip"
	"slices"
	"testing"
)

func manyBackends(n int) []Backend {
	out := make([]Backend, n)
	for i := range out {
		out[i].Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 8080)
	}
	return out
}

// TestSlotsShare: every backend has its share of slots, give or take one.
func TestSlotsShare(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8, 16, 17, 50, 64, 200, 1000, 5000} {
		size := Classes[classOf(n)]
		count := make([]int, n)
		for _, b := range fillSlots(manyBackends(n), size) {
			count[b]++
		}
		if lo, hi := slices.Min(count), slices.Max(count); hi-lo > 1 || lo < slotsPerBackend {
			t.Errorf("%d backends in %d slots: between %d and %d each", n, size, lo, hi)
		}
	}
}

// TestSlotsMoved: when one of n backends goes, 1/n of the flows must move; how
// many more do is the price of small tables. (Where n-1 backends have a smaller
// table than n, new flows are spread afresh; conntrack keeps the old ones.)
func TestSlotsMoved(t *testing.T) {
	for _, c := range []struct {
		n     int
		extra float64 // mean over all backends that may go
	}{{2, 0}, {3, .05}, {4, .05}, {8, .10}, {16, .15}, {17, .07}, {64, .07}, {65, .05}, {256, .05}} {
		bs := manyBackends(c.n)
		size := Classes[classOf(c.n)]
		full, extra := fillSlots(bs, size), 0.0
		for gone := range bs {
			rest := slices.Delete(slices.Clone(bs), gone, gone+1)
			less := fillSlots(rest, size)
			moved := 0
			for s := range full {
				if bs[full[s]].Addr != rest[less[s]].Addr {
					moved++
				}
			}
			extra += (float64(moved)/float64(size) - 1/float64(c.n)) / float64(c.n)
		}
		if extra > c.extra {
			t.Errorf("one of %d backends less: %.1f %% of flows move needlessly, more than %.0f %%", c.n, 100*extra, 100*c.extra)
		}
	}
}

// TestHash pins the hash: another result would make old and new nodes disagree
// during an upgrade. That the kernel computes the same is tested in nft.
func TestHash(t *testing.T) {
	for _, c := range []struct {
		client   string
		affinity bool
		slot     int
	}{
		{"192.0.2.2:40000", false, 2102}, {"192.0.2.2:40001", false, 42617}, {"192.0.2.2:1", true, 3290},
		{"[2001:db8:1::2]:40000", false, 32755}, {"[2001:db8:1::2]:9", true, 58435},
	} {
		if got := Slot(netip.MustParseAddrPort(c.client), c.affinity, 65536); got != c.slot {
			t.Errorf("%s: slot %d, want %d", c.client, got, c.slot)
		}
	}
	spread := map[int]int{}
	for port := range 6400 {
		spread[Slot(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(port)), false, 64)]++
	}
	for slot, n := range spread {
		if n < 60 || n > 140 {
			t.Errorf("slot %d gets %d of 6400 ports", slot, n)
		}
	}
}
