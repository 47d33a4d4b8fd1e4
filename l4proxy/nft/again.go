package nft

import (
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	// refusalGroup is the group of nfnetlink_log at which resets are handed over.
	refusalGroup = 7956

	// triedTime is how long it is remembered that a backend refused a SYN, by its
	// sequence number: a second reset goes to the client.
	triedTime = 10 * time.Second
	mostTried = 1 << 16

	// againTime is how long the client has to send its SYN again: it waits for a
	// second (RFC 6298 §2), and twice as long after each further one.
	againTime = 5 * time.Second
	mostAgain = 1 << 14

	// refusalRate is how many resets are handed over in a second at most, so that a
	// flood of connections to a port that is closed costs this process little.
	refusalRate = 1000
)

// newRetries makes the sets for connections that a backend refused.
func (f *family) newRetries(addr nftables.SetDatatype) {
	port := nftables.TypeInetService
	f.tried = f.set("tried", nftables.MustConcatSetType(addr, port, addr, port, nftables.TypeMark), nftables.SetDatatype{})
	f.tried.Dynamic, f.tried.HasTimeout, f.tried.Timeout, f.tried.Size = true, true, triedTime, mostTried
	f.again = f.set("again", nftables.MustConcatSetType(addr, port, addr, port), nftables.MustConcatSetType(addr, port))
	f.again.HasTimeout, f.again.Timeout, f.again.Size = true, againTime, mostAgain
}

// refusals finds resets among all packets that arrive, in two expressions for the
// others. Those that this node sends may be a firewall's; those of endpoints in its
// own network namespace look the same.
func (f *family) refusals() [][]expr.Any {
	if !f.logs {
		return nil
	}
	return [][]expr.Any{join([]expr.Any{
		&expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1, DestRegister: reg(0)},
		equal(reg(0), []byte{tcpRST | tcpACK}),
	}, isProto(unix.IPPROTO_TCP), verdict(expr.VerdictJump, "refusal"))}
}

// refusal keeps the first reset with which a backend answers a client's SYN from
// the client, and hands it over twice, as it came and as one from the frontend: the
// backend may have ended a moment ago. The client sends its SYN again after a second,
// which begins a new connection here: conntrack forgets one that was refused at once.
// If nobody has taken the reset by then, the next one reaches the client.
func (f *family) refusal() [][]expr.Any {
	if !f.logs {
		return nil
	}
	n := uint32(f.addrLen / 4)
	const original, reply = 0, 1
	loopback := binaryutil.NativeEndian.PutUint16(unix.ARPHRD_LOOPBACK)
	answersSYN := []expr.Any{
		&expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseTransportHeader, Offset: 4, Len: 4, DestRegister: reg(0)},
		equal(reg(0), native(0)), // such a reset has no sequence number (RFC 9293 §3.10.7.1)
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg(0)}, equal(reg(0), []byte{reply}),
		&expr.Meta{Key: expr.MetaKeyIIFTYPE, Register: reg(0)}, &expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: loopback},
	}
	first := []expr.Any{
		f.loadAddr(f.dst, reg(0)), loadPort(2, reg(n)), f.loadAddr(f.src, reg(n+1)), loadPort(0, reg(2*n+1)),
		&expr.Payload{OperationType: expr.PayloadLoad, Base: expr.PayloadBaseTransportHeader, Offset: 8, Len: 4, DestRegister: reg(2*n + 2)},
		&expr.Lookup{SourceRegister: reg(0), SetName: f.tried.Name, Invert: true},
		notTooMany(),
		&expr.Dynset{SrcRegKey: reg(0), SetName: f.tried.Name, Operation: unix.NFT_DYNSET_OP_ADD},
	}
	handOver := []expr.Any{
		logTo(refusalGroup, fromBackend),
		&expr.Ct{Key: expr.CtKeyDST, Register: reg(0), Direction: original},
		&expr.Payload{OperationType: expr.PayloadWrite, Base: expr.PayloadBaseNetworkHeader, Offset: f.src, Len: uint32(f.addrLen), SourceRegister: reg(0)},
		&expr.Ct{Key: expr.CtKeyPROTODST, Register: reg(0), Direction: original},
		&expr.Payload{OperationType: expr.PayloadWrite, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2, SourceRegister: reg(0)},
		logTo(refusalGroup, fromFrontend), &expr.Verdict{Kind: expr.VerdictDrop},
	}
	return [][]expr.Any{join(answersSYN, f.translated(), first, handOver)}
}

// How the two packets of a refusal are told apart: either may get lost.
const (
	fromBackend  = "backend"
	fromFrontend = "frontend"
)

func logTo(group uint16, prefix string) expr.Any {
	return &expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_SNAPLEN | 1<<unix.NFTA_LOG_QTHRESHOLD,
		Group: group, Data: []byte(prefix), Snaplen: 128, QThreshold: 1}
}

func notTooMany() expr.Any {
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: refusalRate, Unit: expr.LimitTimeSecond, Burst: refusalRate}
}

// repeated leads a SYN that a client sends again to the backend that was chosen for it.
func (f *family) repeated() [][]expr.Any {
	if !f.logs {
		return nil
	}
	n := uint32(f.addrLen / 4)
	return [][]expr.Any{join(isProto(unix.IPPROTO_TCP), []expr.Any{
		f.loadAddr(f.src, reg(0)), loadPort(0, reg(n)), f.loadAddr(f.dst, reg(n+1)), loadPort(2, reg(2*n+1)),
		&expr.Lookup{SourceRegister: reg(0), SetName: f.again.Name, IsDestRegSet: true, DestRegister: reg(0)},
	}, f.leadTo(reg(n+1)))}
}

// leadTo marks the connection as ours and translates it to the backend in the
// first registers; scratch is a register that is free.
func (f *family) leadTo(scratch uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: scratch},
		mask(scratch, scratch, native(^f.markMask), native(f.markBit())),
		&expr.Ct{Key: expr.CtKeyMARK, Register: scratch, SourceRegister: true},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.table.Family), Specified: true,
			RegAddrMin: reg(0), RegProtoMin: reg(uint32(f.addrLen / 4))},
	}
}

// logConfig are the kernel options that tryLog looks for.
const logConfig = "CONFIG_NFT_LOG, CONFIG_NETFILTER_NETLINK_LOG or CONFIG_NFT_LIMIT"

// tryLog finds out whether the kernel can hand packets over. It is an option that
// kernels may lack, and everything else works without it.
func (f *family) tryLog(k *kernel) error {
	err := f.try(k, nftables.ChainTypeFilter, nftables.ChainHookPrerouting, []expr.Any{notTooMany(), logTo(refusalGroup, fromBackend)})
	f.logs = err == nil
	return err
}
