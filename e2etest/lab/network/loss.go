package network

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
)

const lossTable = "lab-loss"

// SetLoss makes the switch drop so many percent of the frames that enter or
// leave it by a port; 0 ends the loss. It is done with nftables because not
// every kernel has netem.
func (s *Switch) SetLoss(port string, percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("loss of %d %%: want 0 to 100", percent)
	}
	conn, err := nftables.New(nftables.WithNetNSFd(int(s.ns.handle)))
	if err != nil {
		return fmt.Errorf("nftables in %s: %w", s.ns.Name, err)
	}
	// One table per port: replacing it is one transaction.
	table := &nftables.Table{Family: nftables.TableFamilyBridge, Name: lossTable + "-" + port}
	conn.AddTable(table)
	conn.DelTable(table)
	if percent > 0 {
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{
			Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		for _, key := range []expr.MetaKey{expr.MetaKeyIIFNAME, expr.MetaKeyOIFNAME} {
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: dropSome(key, port, percent)})
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("loss on %s (needs CONFIG_NF_TABLES_BRIDGE and CONFIG_NFT_NUMGEN): %w", port, err)
	}
	return nil
}

// dropSome is the rule: meta KEY PORT numgen random mod 100 < PERCENT drop.
func dropSome(key expr.MetaKey, port string, percent int) []expr.Any {
	name := make([]byte, 16) // an interface name with its trailing zeros
	copy(name, port)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
		&expr.Numgen{Register: 1, Modulus: 100, Type: 1}, // NFT_NG_RANDOM
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(percent))},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}
