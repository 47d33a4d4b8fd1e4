package layer2

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

const (
	// maxTargets and maxSenders are how many ranges of addresses a filter looks
	// for. A range costs four instructions, and the kernel takes 4096. Addresses
	// that make more ranges share some with their neighbours: a frame for an
	// address in between wakes the process, which drops it.
	maxTargets = 850
	maxSenders = 100
	accept     = 1 << 16 // bytes to hand on: all
)

const (
	arpSender = 28 // offset of the sender's address
	arpTarget = 38 // offset of the target address
	ndpTarget = 74 // offset of the last word of the target address
)

// guards refuse what is not for this interface.
var guards = []bpf.Instruction{
	// What goes to other hosts (3, seen in promiscuous mode) or out (4).
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 3, SkipTrue: 1},
	bpf.RetConstant{Val: 0},
	// What belongs to a VLAN that has no interface here: the kernel hands
	// it to us with the tag taken off. VLAN 0 is priority only. Where there is
	// an interface, Linux before 6.2 takes the mark away and leaves the tag.
	bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 4},
	bpf.LoadExtension{Num: bpf.ExtVLANTag},
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
	bpf.RetConstant{Val: 0},
}

// matchARP lets through ARP requests for addrs, and whatever comes from
// somebody who says that he has one of them, or one near.
func matchARP(addrs []netip.Addr) []bpf.Instruction {
	p := must(12, 2, etherARP)
	p = append(p, bpf.LoadAbsolute{Off: arpSender, Size: 4})
	p = append(p, search(spansOf(addrs, maxSenders))...)
	p = append(p, must(20, 2, 1)...) // a request
	p = append(p, bpf.LoadAbsolute{Off: arpTarget, Size: 4})
	p = append(p, search(spansOf(addrs, maxTargets))...)
	return append(p, bpf.RetConstant{Val: 0})
}

// matchNDP lets through Neighbor Solicitations and Advertisements whose target
// ends like one of addrs; the rest of the target is compared later.
func matchNDP(addrs []netip.Addr) []bpf.Instruction {
	p := slices.Concat(must(12, 2, etherIPv6), must(20, 1, protoICMPv6), must(21, 1, 255))
	p = append(p, bpf.LoadAbsolute{Off: 54, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 135, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 136, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: ndpTarget, Size: 4})
	p = append(p, search(spansOf(addrs, maxTargets))...)
	return append(p, bpf.RetConstant{Val: 0})
}

// must refuses frames whose field at an offset has not the value.
func must(off uint32, size int, value uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: off, Size: size},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

// assemble makes a filter of what to match.
func assemble(match []bpf.Instruction) ([]bpf.RawInstruction, error) {
	raw, err := bpf.Assemble(slices.Concat(guards, match))
	if err != nil {
		return nil, fmt.Errorf("assemble filter of %d instructions: %w", len(match), err)
	}
	return raw, nil
}

// span is a range of addresses by their last four bytes, both ends included.
type span struct{ lo, hi uint32 }

// spansOf makes addrs sorted ranges, at most limit of them: if there are more,
// those with the smallest gaps between them are joined.
func spansOf(addrs []netip.Addr, limit int) []span {
	words := make([]uint32, 0, len(addrs))
	for _, a := range addrs {
		b := a.AsSlice()
		words = append(words, binary.BigEndian.Uint32(b[len(b)-4:]))
	}
	slices.Sort(words)
	var all []span
	for _, w := range words {
		if n := len(all); n > 0 && w-all[n-1].hi <= 1 {
			all[n-1].hi = w
			continue
		}
		all = append(all, span{w, w})
	}
	if len(all) <= limit {
		return all
	}
	wide := make([]int, len(all)-1) // places of gaps, the widest first
	for i := range wide {
		wide[i] = i
	}
	gap := func(i int) uint32 { return all[i+1].lo - all[i].hi }
	slices.SortFunc(wide, func(a, b int) int { return cmp.Compare(gap(b), gap(a)) })
	kept := wide[:limit-1]
	slices.Sort(kept)
	out, from := make([]span, 0, limit), 0
	for _, i := range kept {
		out = append(out, span{all[from].lo, all[i].hi})
		from = i + 1
	}
	return append(out, span{all[from].lo, all[len(all)-1].hi})
}

// miss stands for a jump to the end of a search.
var miss = bpf.Jump{Skip: math.MaxUint32}

// search looks for register A among spans, of which there is at least one: it
// accepts the frame or goes on after the last instruction.
func search(spans []span) []bpf.Instruction {
	p := find(spans, true)
	for i := range p {
		if p[i] == bpf.Instruction(miss) {
			p[i] = bpf.Jump{Skip: uint32(len(p) - i - 1)}
		}
	}
	return p
}

// find is a binary search. A is known to be no less than the first span's
// beginning, unless first.
func find(spans []span, first bool) []bpf.Instruction {
	if len(spans) == 1 {
		var p []bpf.Instruction
		if first {
			p = append(p, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: spans[0].lo, SkipTrue: 2})
		}
		return append(p, bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: spans[0].hi, SkipTrue: 1},
			bpf.RetConstant{Val: accept}, miss)
	}
	mid := len(spans) / 2
	left, right := find(spans[:mid], first), find(spans[mid:], false)
	if len(left) <= math.MaxUint8 {
		p := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[mid].lo, SkipTrue: uint8(len(left))}}
		return slices.Concat(p, left, right)
	}
	p := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: spans[mid].lo, SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(left))},
	}
	return slices.Concat(p, left, right)
}
