package nft

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/l4proxy"
)

// chains are all chains of f, those that are jumped to before those that jump.
func (f *family) chains() []chain {
	jump := func(to string) [][]expr.Any { return [][]expr.Any{verdict(expr.VerdictJump, to)} }
	nat, filter := nftables.ChainTypeNAT, nftables.ChainTypeFilter
	ping := join(f.isEcho(), f.destIn(f.addrs), []expr.Any{&expr.Redir{}})
	fromPod := join([]expr.Any{f.loadAddr(f.src, reg(0)), &expr.Lookup{SourceRegister: reg(0), SetName: f.pods.Name}}, verdict(expr.VerdictJump, "inside"))
	chains := append(f.variants(),
		chain{name: "translate", rules: append(f.translate(f.everybody), ping)},
		chain{name: "inside", rules: f.translate(f.inside)},
		chain{name: "answer", rules: f.answer()},
		chain{name: "stray", rules: f.stray()},
		chain{name: "onward", rules: f.onward()},
		chain{name: "refuse", rules: f.refuse()},
		chain{name: "refuse-own", rules: append(f.handedOn(), jump("refuse")...)},
		chain{name: "hide-client", rules: f.hideClient()},
		chain{name: "refusal", rules: f.refusal()},
		chain{"nat-prerouting", nat, nftables.ChainHookPrerouting, prioTranslate, slices.Concat(f.secondChance(), f.repeated(), [][]expr.Any{fromPod}, jump("translate"))},
		chain{"nat-output", nat, nftables.ChainHookOutput, prioTranslate, slices.Concat(f.repeated(), jump("inside"), jump("translate"))},
		chain{"filter-prerouting", filter, nftables.ChainHookPrerouting, prioRefuse, append(f.refusals(), f.notOpen("refuse")...)},
		chain{"filter-output", filter, nftables.ChainHookOutput, prioRefuse, f.notOpen("refuse-own")},
		chain{"nat-postrouting", nat, nftables.ChainHookPostrouting, prioSource, f.postrouting()},
	)
	return chains
}

// notOpen is all that packets of open connections meet, beside refusals: two
// expressions.
func (f *family) notOpen(next string) [][]expr.Any {
	return [][]expr.Any{{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg(0)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: native(expr.CtStateBitESTABLISHED)},
		&expr.Verdict{Kind: expr.VerdictJump, Chain: next},
	}}
}

// translate sends a new connection to its backend. The first rule counts it, the
// second serves the common groups with two look-ups; a group ID with flags is not a key of
// backends, so that all other groups pass on to their own chain.
func (f *family) translate(w way) [][]expr.Any {
	common := join(f.loadGroup(w.frontends), f.pick(0, false))
	others := join(f.loadGroup(w.frontends), []expr.Any{
		mask(f.group(), f.group(), flagBytes(l4proxy.IDFlags), make([]byte, 4)),
		&expr.Lookup{SourceRegister: f.group(), SetName: w.dispatch.Name, IsDestRegSet: true, DestRegister: unix.NFT_REG_VERDICT},
	})
	return [][]expr.Any{f.countTaken(w), common, others}
}

// variants are the chains behind dispatch, for each way one for each
// combination of slot table size, affinity and source ranges except the common
// one.
func (f *family) variants() []chain {
	var out []chain
	for _, w := range f.ways() {
		for flags, name := range variantNames() {
			out = append(out, chain{name: w.prefix + name, rules: f.variant(w, flags)})
		}
	}
	sortChains(out)
	return out
}

func (f *family) variant(w way, flags uint64) [][]expr.Any {
	class, affinity, restricted := l4proxy.SplitFlags(flags)
	var rules [][]expr.Any
	if restricted {
		foreign := join(f.loadGroup(w.frontends), f.clear(flags), []expr.Any{
			f.loadAddr(f.src, f.group()+2),
			&expr.Lookup{SourceRegister: f.group(), SetName: f.sources.Name, Invert: true},
		})
		rules = append(rules, join(foreign, f.count(f.tallies.foreign)), join(foreign, []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}))
	}
	return append(rules, join(f.loadGroup(w.frontends), f.clear(flags), f.pick(class, affinity)))
}

// variantNames maps the flags of a group ID to the chain that serves it.
func variantNames() map[uint64]string {
	out := map[uint64]string{}
	for class, size := range l4proxy.Classes {
		base := l4proxy.ClassFlags(class)
		out[base] = fmt.Sprintf("slots-%d", size)
		out[base|l4proxy.IDAffinity] = fmt.Sprintf("slots-%d-affinity", size)
		out[base|l4proxy.IDRestricted] = fmt.Sprintf("slots-%d-sources", size)
		out[base|l4proxy.IDAffinity|l4proxy.IDRestricted] = fmt.Sprintf("slots-%d-affinity-sources", size)
	}
	delete(out, l4proxy.ClassFlags(0))
	return out
}

// pick hashes the client into a slot of a group of that class and translates the
// packet to the backend there. The group ID is in its registers.
func (f *family) pick(class int, affinity bool) []expr.Any {
	slot := f.group() + 2
	in := slot + 1
	load, length := []expr.Any{f.loadAddr(f.src, in)}, uint32(f.addrLen)
	if !affinity {
		load = append(load, loadPort(0, in+uint32(f.addrLen/4)))
		length += 4
	}
	return join(append(load,
		&expr.Hash{SourceRegister: in, DestRegister: slot, Length: length,
			Modulus: uint32(l4proxy.Classes[class]), Seed: l4proxy.Seed, Type: expr.HashTypeJenkins},
		&expr.Lookup{SourceRegister: f.group(), SetName: f.backends[class].Name, IsDestRegSet: true, DestRegister: reg(0)},
	), f.leadTo(slot)) // slot is free again after the look-up
}

// refuse answers new connections to what we own but do not serve. Those that we
// translated are looked up only as far as onward does. What conntrack finds out of
// place has not been through the nat hooks, and what it took for the first of a
// connection before there was a second chance goes through them no more: both get
// it here.
func (f *family) refuse() [][]expr.Any {
	return slices.Concat([][]expr.Any{
		join(inState(expr.CtStateBitRELATED), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}),
		join(f.translated(), verdict(expr.VerdictGoto, "onward")),
	}, f.secondChance(), [][]expr.Any{
		f.countUnserved(dropID, f.tallies.dropped),
		f.countUnserved(rejectID, f.tallies.refused),
		join(f.lookupFrontend(f.frontends), []expr.Any{equal(f.padding(), groupValue(dropID)), &expr.Verdict{Kind: expr.VerdictDrop}}),
		join(f.lookupFrontend(f.frontends), []expr.Any{equal(f.padding(), groupValue(rejectID))}, verdict(expr.VerdictGoto, "answer")),
		join(f.destIn(f.addrs), verdict(expr.VerdictGoto, "stray")),
	})
}

// onward has the connections that we have just translated. Where that led to an
// external address again they end here, lest they go round and round.
func (f *family) onward() [][]expr.Any {
	return [][]expr.Any{join(f.destIn(f.addrs), verdict(expr.VerdictGoto, "stray"))}
}

// translated goes on with connections that we translated.
func (f *family) translated() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: reg(0)},
		mask(reg(0), reg(0), native(f.markMask), native(0)),
		equal(reg(0), native(f.markBit())),
	}
}

// stray ends packets to an external address that no frontend took. Errors are
// not answered to ICMP (neighbour discovery is among it), nor a reset to a
// packet that conntrack finds out of place: it may belong to a connection that
// lives on elsewhere.
func (f *family) stray() [][]expr.Any {
	return [][]expr.Any{
		join(isProto(f.icmp), []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}),
		join(inState(expr.CtStateBitINVALID), []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}),
		verdict(expr.VerdictGoto, "answer"),
	}
}

func (f *family) answer() [][]expr.Any {
	return [][]expr.Any{
		join(isProto(unix.IPPROTO_TCP), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}),
		{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: f.unreach}},
	}
}

// postrouting finds the connections that were translated by us.
func (f *family) postrouting() [][]expr.Any {
	return [][]expr.Any{join(f.translated(), verdict(expr.VerdictJump, "hide-client"))}
}

// hideClient hides the client from backends whose answers would not come back
// through this node: those on other nodes, and the client itself (hairpin).
func (f *family) hideClient() [][]expr.Any {
	second := reg(uint32(f.addrLen / 4))
	pair := func(first uint32) []expr.Any {
		return []expr.Any{f.loadAddr(first, reg(0)), f.loadAddr(f.dst, second),
			&expr.Lookup{SourceRegister: reg(0), SetName: f.locals.Name}}
	}
	masq := &expr.Masq{FullyRandom: true} // concurrent clients must not race for a port
	loopback := binaryutil.NativeEndian.PutUint16(unix.ARPHRD_LOOPBACK)
	return [][]expr.Any{
		{&expr.Meta{Key: expr.MetaKeyOIFTYPE, Register: reg(0)}, equal(reg(0), loopback), &expr.Verdict{Kind: expr.VerdictReturn}},
		append(pair(f.src), masq),
		append(pair(f.dst), &expr.Verdict{Kind: expr.VerdictReturn}),
		{masq},
	}
}
