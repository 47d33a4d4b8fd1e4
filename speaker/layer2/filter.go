package layer2

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

const (
	// maxFiltered addresses fit into a filter: two instructions each, and the
	// kernel takes 4096. With more, every request wakes the process.
	maxFiltered = 1900
	accept      = 1 << 16 // bytes to hand on: all
)

// field is one value that a frame must have at an offset.
type field struct {
	off  uint32
	size int
	val  uint32
}

var (
	arpFields = []field{{12, 2, 0x0806}, {20, 2, 1}}                              // a request
	ndpFields = []field{{12, 2, 0x86dd}, {20, 1, 58}, {21, 1, 255}, {54, 1, 135}} // ICMPv6, hop limit, solicitation
)

const (
	arpTarget = 38 // offset of the target address
	ndpTarget = 74 // offset of the last word of the target address
)

// filterARP lets ARP requests for addrs through.
func filterARP(addrs []netip.Addr) ([]bpf.RawInstruction, error) {
	return filter(arpFields, arpTarget, addrs)
}

// filterNDP lets Neighbor Solicitations through whose target ends like one of
// addrs; the rest of the target is compared later.
func filterNDP(addrs []netip.Addr) ([]bpf.RawInstruction, error) {
	return filter(ndpFields, ndpTarget, addrs)
}

func filter(fields []field, target uint32, addrs []netip.Addr) ([]bpf.RawInstruction, error) {
	p := []bpf.Instruction{
		// What goes to other hosts (3, seen in promiscuous mode) or out (4).
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 3, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		// What belongs to a VLAN that has no interface here: the kernel hands
		// it to us with the tag taken off. VLAN 0 is priority only.
		bpf.LoadExtension{Num: bpf.ExtVLANTag},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0fff},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	for _, f := range fields {
		p = append(p, bpf.LoadAbsolute{Off: f.off, Size: f.size},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: f.val, SkipTrue: 1}, bpf.RetConstant{Val: 0})
	}
	if len(addrs) <= maxFiltered {
		p = append(p, bpf.LoadAbsolute{Off: target, Size: 4})
		for _, a := range addrs {
			b := a.AsSlice()
			p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[len(b)-4:]), SkipTrue: 1},
				bpf.RetConstant{Val: accept})
		}
		p = append(p, bpf.RetConstant{Val: 0})
	} else {
		p = append(p, bpf.RetConstant{Val: accept})
	}
	raw, err := bpf.Assemble(p)
	if err != nil {
		return nil, fmt.Errorf("assemble filter for %d addresses: %w", len(addrs), err)
	}
	return raw, nil
}
