package nft

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// TableName is the name of our table in the families ip and ip6.
const TableName = "steelyard"

// Chain priorities; the package comment says why.
const (
	prioTranslate = -110
	prioRefuse    = -50
	prioSource    = 90
)

// family is everything fixed about one of the two tables.
type family struct {
	fam     config.Family
	table   *nftables.Table
	addrLen int    // bytes of an address
	icmp    byte   // protocol number of ICMP
	echo    byte   // ICMP type of an echo request
	unreach byte   // ICMP code for "port unreachable"
	src     uint32 // offset of the source address in the IP header
	dst     uint32

	markMask uint32 // bits of the connection mark that are ours
	dup      bool   // the kernel can hand packets to another node
	logs     bool   // and to this process

	frontends, addrs, locals, sources *nftables.Set
	backends                          [len(l4proxy.Classes)]*nftables.Set
	nodes, chances                    *nftables.Set
	pods                              *nftables.Set
	everybody, inside                 way
	tallies                           tallies
	tried, again                      *nftables.Set
}

func newFamily(fam config.Family, markMask uint32) *family {
	f := &family{fam: fam, addrLen: 4, icmp: unix.IPPROTO_ICMP, echo: 8, unreach: 3, src: 12, dst: 16, markMask: markMask,
		table: &nftables.Table{Name: TableName, Family: nftables.TableFamilyIPv4}}
	addr := nftables.TypeIPAddr
	if fam == config.IPv6 {
		f.addrLen, f.icmp, f.echo, f.unreach, f.src, f.dst = 16, unix.IPPROTO_ICMPV6, 128, 4, 8, 24
		f.table.Family = nftables.TableFamilyIPv6
		addr = nftables.TypeIP6Addr
	}
	u32, proto, port := nftables.TypeMark, nftables.TypeInetProto, nftables.TypeInetService
	concat := nftables.MustConcatSetType
	f.frontends = f.set("frontends", concat(addr, proto, port), concat(u32, u32, u32))
	for class := range f.backends {
		f.backends[class] = f.set(backendsName(class), concat(u32, u32, u32), concat(addr, port))
	}
	f.addrs = f.set("addrs", addr, nftables.SetDatatype{})
	f.locals = f.set("locals", concat(addr, addr), nftables.SetDatatype{})
	f.everybody = way{"", f.frontends, f.set("dispatch", u32, nftables.TypeVerdict)}
	f.inside = way{"inside-", f.set("inside", concat(addr, proto, port), concat(u32, u32, u32)), f.set("dispatch-inside", u32, nftables.TypeVerdict)}
	f.tallies = f.newTallies(addr)
	f.newRetries(addr)
	f.pods = f.set("pods", addr, nftables.SetDatatype{})
	f.pods.Interval = true
	f.nodes = f.set("nodes", nftables.TypeEtherAddr, nftables.SetDatatype{})
	f.chances = f.set("chances", addr, concat(addr, nftables.TypeIFIndex))
	f.sources = f.set("sources", nftables.TypeInteger, nftables.SetDatatype{})
	// One plain integer instead of a concatenation: group and client address
	// sort as one number, and so the kernel takes a tree that changes element
	// by element instead of a structure that is rebuilt with each transaction.
	f.sources.KeyType.Bytes = uint32(8 + f.addrLen)
	f.sources.Concatenation, f.sources.Interval = false, true
	return f
}

// backendsName names the map of the backends of groups of a class. Each class has
// its own, since the kernel goes through all rules that look into a map for each
// element that it gets.
func backendsName(class int) string {
	if class == 0 {
		return "backends"
	}
	return fmt.Sprintf("backends-%d", l4proxy.Classes[class])
}

// way leads packets of some clients to their groups.
type way struct {
	prefix    string        // of its chains
	frontends *nftables.Set // address, protocol, port → group ID
	dispatch  *nftables.Set // group ID flags → chain
}

func (f *family) ways() []way { return []way{f.everybody, f.inside} }

// markBit is the value of our bits on connections that we translated.
func (f *family) markBit() uint32 { return f.markMask & -f.markMask }

func (f *family) set(name string, key, data nftables.SetDatatype) *nftables.Set {
	return &nftables.Set{Table: f.table, Name: name, KeyType: key, DataType: data,
		IsMap: data.Name != "", Concatenation: len(nftables.ConcatSetTypeElements(key)) > 1}
}

// elementSets are the sets that hold what an l4proxy.Table says.
func (f *family) elementSets() []*nftables.Set {
	return slices.Concat([]*nftables.Set{f.sources}, f.backends[:],
		[]*nftables.Set{f.locals, f.pods, f.inside.frontends, f.frontends, f.addrs, f.nodes, f.chances})
}

// ownSets are the sets that hold what rules and this process note on their own.
func (f *family) ownSets() []*nftables.Set { return append(f.tallies.sets(), f.tried, f.again) }

// chain is a chain with its rules, each a list of expressions. Hook is nil for
// a chain that others jump to.
type chain struct {
	name  string
	kind  nftables.ChainType
	hook  *nftables.ChainHook
	prio  int
	rules [][]expr.Any
}

// marker names the rules of f by their content. A chain of that name, without
// rules, tells a later process whether the rules in the kernel are its own.
func (f *family) marker(chains []chain) (string, error) {
	h := sha256.New()
	for _, c := range chains {
		fmt.Fprintf(h, "%s %s %v %d\n", c.name, c.kind, c.hook != nil, c.prio)
		for _, rule := range c.rules {
			for _, e := range rule {
				b, err := expr.Marshal(byte(f.table.Family), e)
				if err != nil {
					return "", fmt.Errorf("rule of chain %s: %w", c.name, err)
				}
				h.Write(b)
			}
		}
	}
	for _, s := range slices.Concat(f.elementSets(), f.ownSets(), []*nftables.Set{f.everybody.dispatch, f.inside.dispatch}) {
		fmt.Fprintf(h, "%s %d %d\n", s.Name, s.KeyType.Bytes, s.DataType.Bytes)
	}
	return fmt.Sprintf("layout-%x", h.Sum(nil)[:8]), nil
}
