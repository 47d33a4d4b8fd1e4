package network

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

const partitionTable = "lab-partition"

// SetPartition makes a LAN fall apart: no frame passes between ports of
// different parts. Ports in none pass everything. It replaces what was set for
// the LAN before; no parts make it whole. It holds when the function returns.
func (s *Switch) SetPartition(bridge string, parts [][]string) error {
	conn, err := nftables.New(nftables.WithNetNSFd(int(s.ns.handle)))
	if err != nil {
		return fmt.Errorf("nftables in %s: %w", s.ns.Name, err)
	}
	// One table per LAN: replacing it is one transaction.
	table := &nftables.Table{Family: nftables.TableFamilyBridge, Name: partitionTable + "-" + bridge}
	conn.AddTable(table)
	conn.DelTable(table)
	if len(parts) > 0 {
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{
			Name: "forward", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		for _, pair := range strangers(parts) {
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: dropBetween(pair[0], pair[1])})
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("partition of %s (needs CONFIG_NF_TABLES_BRIDGE): %w", bridge, err)
	}
	return nil
}

// strangers are the ordered pairs of ports of different parts.
func strangers(parts [][]string) (pairs [][2]string) {
	for i, part := range parts {
		for j, other := range parts {
			if i == j {
				continue
			}
			for _, from := range part {
				for _, to := range other {
					pairs = append(pairs, [2]string{from, to})
				}
			}
		}
	}
	return pairs
}

// dropBetween is the rule: iifname FROM oifname TO drop.
func dropBetween(from, to string) []expr.Any {
	var exprs []expr.Any
	for _, m := range []struct {
		key  expr.MetaKey
		port string
	}{{expr.MetaKeyIIFNAME, from}, {expr.MetaKeyOIFNAME, to}} {
		name := make([]byte, 16) // an interface name with its trailing zeros
		copy(name, m.port)
		exprs = append(exprs, &expr.Meta{Key: m.key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name})
	}
	return append(exprs, &expr.Verdict{Kind: expr.VerdictDrop})
}
