package nft

import (
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// secondChance hands packets of TCP connections that conntrack does not know to
// the node that had their address before, and forgets them here; none, if the
// kernel cannot. A SYN opens a connection here. It is for packets that conntrack
// takes for the first of a connection, which the nat hooks see before they
// translate it, and for others of which they see nothing.
//
// A packet that another node sent goes on here, whatever it is: that node
// passed it on because it does not know it either.
func (f *family) secondChance() [][]expr.Any {
	if !f.dup {
		return nil
	}
	words := uint32(f.addrLen / 4)
	via, link := reg(words), reg(2*words)
	return [][]expr.Any{join(
		isProto(unix.IPPROTO_TCP),
		[]expr.Any{
			&expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1, DestRegister: reg(0)},
			mask(reg(0), reg(0), []byte{tcpSYN}, []byte{0}),
			equal(reg(0), []byte{0}),
			&expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseLLHeader, Offset: 6, Len: 6, DestRegister: reg(0)},
			&expr.Lookup{SourceRegister: reg(0), SetName: f.nodes.Name, Invert: true},
			// The nft command takes a map's value for one register. It gets to see
			// a constant for the link, which the value overwrites.
			&expr.Immediate{Register: link, Data: make([]byte, 4)},
			f.loadAddr(f.dst, reg(0)),
			&expr.Lookup{SourceRegister: reg(0), SetName: f.chances.Name, IsDestRegSet: true, DestRegister: via},
			&expr.Dup{RegAddr: via, RegDev: link, IsRegDevSet: true},
			&expr.Verdict{Kind: expr.VerdictDrop},
		})}
}

const tcpSYN = 0x02

// handedOn lets what secondChance hands to another node out: it is tracked by
// nobody and still carries the external address.
func (f *family) handedOn() [][]expr.Any {
	return [][]expr.Any{join(inState(expr.CtStateBitUNTRACKED), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}})}
}

// planChances writes the second chances. The other nodes are known before the
// first packet is handed to one, and until after the last.
func (f *family) planChances(p *plan, a *arena, d *l4proxy.Delta) {
	var del, add []nftables.SetElement
	for _, c := range d.Hops {
		if config.FamilyOf(c.Addr) != f.fam {
			continue
		}
		if c.Old != (l4proxy.Hop{}) {
			del = append(del, nftables.SetElement{Key: c.Addr.AsSlice()})
		}
		if c.New != (l4proxy.Hop{}) {
			add = append(add, a.chance(c))
		}
	}
	p.add(f.nodes, false, macs(d.NewNodes))
	p.unit(op{set: f.chances, del: true, elems: del}, op{set: f.chances, elems: add})
	p.add(f.nodes, true, macs(d.OldNodes))
}

// chance is an element of the map chances.
func (a *arena) chance(c l4proxy.HopChange) nftables.SetElement {
	return nftables.SetElement{Key: c.Addr.AsSlice(), Val: a.join(c.New.Addr.AsSlice(), native(uint32(c.New.Link)))}
}

func macs(list []l4proxy.MAC) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, len(list))
	for _, m := range list {
		out = append(out, nftables.SetElement{Key: m[:]})
	}
	return out
}

// tryDup finds out whether the kernel can hand packets to another node. It is a
// module that kernels may lack, and everything else works without it.
func (f *family) tryDup(k *kernel) error {
	err := f.try(k, nftables.ChainTypeFilter, nftables.ChainHookPrerouting, []expr.Any{
		&expr.Immediate{Register: reg(0), Data: make([]byte, f.addrLen)}, &expr.Dup{RegAddr: reg(0)}})
	f.dup = err == nil
	return err
}

// dupConfig is the kernel option that tryDup looks for.
func (f *family) dupConfig() string {
	return strings.ToUpper("NFT_DUP_" + f.fam.String())
}

// Lacks says what of the forwarder's work the kernel cannot do; the rest it
// does. Anyone may call it at any time.
func (f *Forwarder) Lacks(node string) []config.Problem {
	var out []config.Problem
	for _, fam := range f.families {
		if !fam.dup {
			out = append(out, hostProblem(node, "CONFIG_"+fam.dupConfig(), "NoSecondChance",
				fmt.Sprintf("connections by %v that are open when an address moves here from a node that lives break, because the kernel cannot hand their packets to it", fam.fam),
				"modprobe "+strings.ToLower(fam.dupConfig())+", then restart the speaker"))
		}
		if !fam.logs {
			out = append(out, hostProblem(node, logConfig, "NoRetry",
				fmt.Sprintf("connections by %v that an endpoint refuses are not led to another one, because the kernel cannot tell the speaker of them", fam.fam),
				"modprobe nft_log nfnetlink_log nft_limit, then restart the speaker"))
		}
	}
	return out
}
