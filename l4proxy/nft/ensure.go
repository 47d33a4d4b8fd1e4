package nft

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
)

// ensure makes the table, sets and rules of f stand in the kernel. Rules of
// another version are replaced in one transaction and keep the elements, and
// sets that it did not have are added; only if a set has another shape the
// table starts anew.
func (f *family) ensure(k *kernel) error {
	chains := f.chains()
	marker, err := f.marker(chains)
	if err != nil {
		return err
	}
	conn, err := k.open()
	if err != nil {
		return err
	}
	old, err := f.inKernel(conn)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(old, func(c *nftables.Chain) bool { return c.Name == marker }) {
		return nil
	}
	was, err := f.shapeInKernel(conn)
	if err != nil {
		return err
	}
	switch {
	case was.fits:
		f.dropRules(conn, old, was.sets)
	case was.exists:
		conn.DelTable(f.table)
		was.sets = nil
	}
	if err := f.create(conn, chains, marker, was.sets); err != nil {
		return err
	}
	if err := k.flush(); err != nil {
		return fmt.Errorf("create table %s %s: %w", f.fam, TableName, err)
	}
	return nil
}

// inKernel lists the chains of our table.
func (f *family) inKernel(conn *nftables.Conn) ([]*nftables.Chain, error) {
	all, err := conn.ListChainsOfTableFamily(f.table.Family)
	if err != nil {
		return nil, fmt.Errorf("list nftables chains: %w", err)
	}
	return slices.DeleteFunc(all, func(c *nftables.Chain) bool { return c.Table.Name != TableName }), nil
}

// found says what of our table was in the kernel.
type found struct {
	exists bool            // the table
	fits   bool            // no element set has another shape than we want
	sets   map[string]bool // by name
}

func (f *family) shapeInKernel(conn *nftables.Conn) (found, error) {
	tables, err := conn.ListTablesOfFamily(f.table.Family)
	if err != nil {
		return found{}, fmt.Errorf("list nftables tables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == TableName }) {
		return found{}, nil
	}
	was := found{exists: true}
	sets, err := conn.GetSets(f.table)
	if err != nil {
		return was, nil // of a shape that we cannot even read: start anew
	}
	was.sets = map[string]bool{}
	shapes := map[string]string{}
	for _, s := range sets {
		was.sets[s.Name], shapes[s.Name] = true, shape(s)
	}
	was.fits = !slices.ContainsFunc(f.elementSets(), func(s *nftables.Set) bool { return was.sets[s.Name] && shapes[s.Name] != shape(s) })
	return was, nil
}

func shape(s *nftables.Set) string {
	return fmt.Sprint(s.KeyType.Bytes, s.DataType.Bytes, s.IsMap, s.Interval)
}

// dropRules removes all chains; what jumps to them first.
func (f *family) dropRules(conn *nftables.Conn, old []*nftables.Chain, has map[string]bool) {
	conn.FlushTable(f.table)
	for _, w := range f.ways() {
		if has[w.dispatch.Name] {
			conn.DelSet(w.dispatch)
		}
	}
	for _, c := range old {
		conn.DelChain(&nftables.Chain{Table: f.table, Name: c.Name})
	}
}

// create makes what is not there yet; has are the sets that are.
func (f *family) create(conn *nftables.Conn, chains []chain, marker string, has map[string]bool) error {
	conn.AddTable(f.table)
	for _, s := range append(f.elementSets(), f.ownSets()...) {
		if has[s.Name] {
			continue
		}
		if err := conn.AddSet(s, nil); err != nil {
			return fmt.Errorf("set %s: %w", s.Name, err)
		}
	}
	conn.AddChain(&nftables.Chain{Table: f.table, Name: marker})
	made := map[string]*nftables.Chain{}
	for _, c := range chains {
		n := &nftables.Chain{Table: f.table, Name: c.name}
		if c.hook != nil {
			n.Type, n.Hooknum = c.kind, c.hook
			n.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(c.prio))
		}
		made[c.name] = conn.AddChain(n)
	}
	for _, w := range f.ways() {
		if err := conn.AddSet(w.dispatch, dispatchElements(w)); err != nil {
			return fmt.Errorf("set %s: %w", w.dispatch.Name, err)
		}
	}
	for _, c := range chains {
		for _, rule := range c.rules {
			conn.AddRule(&nftables.Rule{Table: f.table, Chain: made[c.name], Exprs: rule})
		}
	}
	return nil
}
