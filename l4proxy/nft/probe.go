package nft

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// probe finds out whether nftables may be used at all.
func probe(k *kernel) error {
	conn, err := k.open()
	if err != nil {
		return err
	}
	if _, err := conn.ListTables(); err != nil {
		k.close()
		return explain(fmt.Errorf("list nftables tables: %w", err))
	}
	return nil
}

// explain adds to an error of the kernel what a person can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the forwarder needs the capability CAP_NET_ADMIN in the host's network namespace: %w", err)
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return fmt.Errorf("the kernel has no nftables (CONFIG_NF_TABLES): %w", err)
	}
	return err
}

// explain names the kernel features that are missing, if that may be why.
func (f *family) explain(k *kernel, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return explain(err)
	}
	if lack := f.missing(k); len(lack) > 0 {
		return fmt.Errorf("the kernel lacks %s for %s: %w", strings.Join(lack, ", "), f.fam, err)
	}
	return err
}

// missing names the kernel features that the rules of f need and the kernel
// lacks.
func (f *family) missing(k *kernel) []string {
	zero := []byte{0, 0, 0, 0}
	imm := &expr.Immediate{Register: reg(0), Data: zero}
	ct := []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: reg(0)}}
	var out []string
	for _, p := range []struct {
		name  string
		kind  nftables.ChainType
		hook  *nftables.ChainHook
		exprs []expr.Any
	}{
		{"NFT_CT", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, ct},
		{"NFT_NAT", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nil},
		{"NFT_HASH", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, []expr.Any{imm,
			&expr.Hash{SourceRegister: reg(0), DestRegister: reg(1), Length: 4, Modulus: 64, Seed: 1}}},
		{"NFT_REDIR", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, []expr.Any{&expr.Redir{}}},
		{"NFT_MASQ", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, []expr.Any{&expr.Masq{}}},
		{"NFT_REJECT (in prerouting: Linux 5.9)", nftables.ChainTypeFilter, nftables.ChainHookPrerouting,
			[]expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: f.unreach}}},
	} {
		if err := f.try(k, p.kind, p.hook, p.exprs); err != nil {
			out = append(out, "CONFIG_"+p.name)
		}
	}
	return out
}

// try finds out whether the kernel takes a rule, in a table that exists within
// one transaction.
func (f *family) try(k *kernel, kind nftables.ChainType, hook *nftables.ChainHook, exprs []expr.Any) error {
	conn, err := k.open()
	if err != nil {
		return err
	}
	t := conn.AddTable(&nftables.Table{Name: TableName + "-probe", Family: f.table.Family})
	c := conn.AddChain(&nftables.Chain{Name: "probe", Table: t, Type: kind, Hooknum: hook,
		Priority: nftables.ChainPriorityRef(0)})
	conn.AddRule(&nftables.Rule{Table: t, Chain: c, Exprs: append(exprs, &expr.Verdict{Kind: expr.VerdictAccept})})
	conn.DelTable(t)
	return k.flush()
}
