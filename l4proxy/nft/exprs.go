package nft

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// reg is the i-th 32-bit register. Keys of look-ups are built in consecutive
// registers: the frontend from 0, the group ID right behind it.
func reg(i uint32) uint32 { return unix.NFT_REG32_00 + i }

// padding is the register behind the frontend; the value of the map frontends
// starts there.
func (f *family) padding() uint32 { return reg(uint32(f.addrLen/4) + 2) }

// group is the first of the two registers that hold the group ID.
func (f *family) group() uint32 { return f.padding() + 1 }

// lookupFrontend puts padding and the group ID of the packet's destination
// into their registers; the rule ends here if there is none.
func (f *family) lookupFrontend(in *nftables.Set) []expr.Any {
	n := uint32(f.addrLen / 4)
	return []expr.Any{
		f.loadAddr(f.dst, reg(0)),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(n)},
		loadPort(2, reg(n+1)),
		&expr.Lookup{SourceRegister: reg(0), SetName: in.Name, IsDestRegSet: true, DestRegister: f.padding()},
	}
}

// loadGroup is lookupFrontend in front of another look-up. The nft command (up
// to 1.0.6 at least) aborts when it is to print a key that came out of a map.
// So it gets to see a constant, which spells "group-id", in the group's
// registers; the map's value overwrites it from one register further on.
func (f *family) loadGroup(in *nftables.Set) []expr.Any {
	shown := &expr.Immediate{Register: f.group(), Data: []byte("group-id")}
	return append([]expr.Any{shown}, f.lookupFrontend(in)...)
}

func (f *family) loadAddr(offset, to uint32) expr.Any {
	return &expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseNetworkHeader,
		Offset: offset, Len: uint32(f.addrLen), DestRegister: to}
}

// loadPort loads the source (offset 0) or destination (2) port, which TCP, UDP
// and SCTP have in the same place.
func loadPort(offset, to uint32) expr.Any {
	return &expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseTransportHeader,
		Offset: offset, Len: 2, DestRegister: to}
}

func (f *family) destIn(set *nftables.Set) []expr.Any {
	return []expr.Any{f.loadAddr(f.dst, reg(0)), &expr.Lookup{SourceRegister: reg(0), SetName: set.Name}}
}

func (f *family) isEcho() []expr.Any {
	return append(isProto(f.icmp),
		&expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1, DestRegister: reg(0)},
		equal(reg(0), []byte{f.echo}))
}

func isProto(number byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg(0)}, equal(reg(0), []byte{number})}
}

// inState goes on with packets in that state of conntrack, of which each has one.
func inState(bit uint32) []expr.Any {
	return []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: reg(0)}, equal(reg(0), native(bit))}
}

// mask computes (from & keep) ^ flip.
func mask(from, to uint32, keep, flip []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: from, DestRegister: to, Len: uint32(len(keep)), Mask: keep, Xor: flip}
}

func equal(register uint32, data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func join(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

// clear flips the flags of the group ID off.
func (f *family) clear(flags uint64) []expr.Any {
	return []expr.Any{mask(f.group(), f.group(), idBytes(^uint64(0)), idBytes(flags))}
}

// flagBytes are the flags of a group ID as the first of its registers has them.
func flagBytes(flags uint64) []byte { return idBytes(flags)[:4] }

// idBytes is a group ID as it stands in two registers.
func idBytes(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func sortChains(c []chain) {
	slices.SortFunc(c, func(a, b chain) int { return strings.Compare(a.name, b.name) })
}

// groupValue is a group ID as a value of the map frontends, behind padding.
func groupValue(id uint64) []byte { return append(make([]byte, 4), idBytes(id)...) }

// native is a number as the kernel holds it in a register.
func native(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
