package nft

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// tallies are sets in which rules count what becomes of new connections, one
// element for each frontend that had any. Rules make the elements: nobody has to
// write them, packets of established connections meet none of these rules, and
// each rule does nothing else, so that a set which is full costs a count and
// never a connection.
type tallies struct {
	taken   *nftables.Set // found a group of endpoints, whatever the source ranges say
	foreign *nftables.Set // of these: from an address outside of the source ranges
	refused *nftables.Set // no endpoint anywhere
	dropped *nftables.Set // no endpoint on this node, with policy Local
}

// The most frontends that are counted at a time.
const (
	mostTaken  = 1 << 16
	mostOthers = 1 << 14
)

func (f *family) newTallies(addr nftables.SetDatatype) tallies {
	set := func(name string, size uint32) *nftables.Set {
		s := f.set(name, nftables.MustConcatSetType(addr, nftables.TypeInetProto, nftables.TypeInetService), nftables.SetDatatype{})
		s.Dynamic, s.Size = true, size
		return s
	}
	return tallies{set("taken", mostTaken), set("foreign", mostOthers), set("refused", mostOthers), set("dropped", mostOthers)}
}

func (t tallies) sets() []*nftables.Set {
	return []*nftables.Set{t.foreign, t.taken, t.refused, t.dropped}
}

// count adds one to the frontend of the packet, which is in its registers.
func (f *family) count(in *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Dynset{SrcRegKey: reg(0), SetName: in.Name,
		Operation: unix.NFT_DYNSET_OP_ADD, Exprs: []expr.Any{&expr.Counter{}}}}
}

// countTaken counts a new connection that w has a group for.
func (f *family) countTaken(w way) []expr.Any {
	not := func(id uint64) expr.Any {
		return &expr.Cmp{Op: expr.CmpOpNeq, Register: f.padding(), Data: groupValue(id)}
	}
	return join(f.lookupFrontend(w.frontends), []expr.Any{not(rejectID), not(dropID)}, f.count(f.tallies.taken))
}

// countUnserved counts a packet to a frontend that id stands for.
func (f *family) countUnserved(id uint64, in *nftables.Set) []expr.Any {
	return join(f.lookupFrontend(f.frontends), []expr.Any{equal(f.padding(), groupValue(id))}, f.count(in))
}

// Tally is what became of the new connections to one Service since its table is
// in the kernel.
type Tally struct {
	Taken   uint64 // there were endpoints for it
	Foreign uint64 // of these dropped: from outside of the source ranges
	Refused uint64 // refused: no endpoint anywhere
	Dropped uint64 // dropped: policy Local and no endpoint on this node
}

// Forwarded is how many were led to an endpoint.
func (t Tally) Forwarded() uint64 { return t.Taken - min(t.Taken, t.Foreign) }

// readTallies reads the counts of f by Service of t, and forgets those of
// frontends that t does not have.
func (f *family) readTallies(k *kernel, t l4proxy.Table, out map[config.Key]Tally) error {
	conn, err := k.open()
	if err != nil {
		return err
	}
	stale := plan{}
	for _, set := range f.tallies.sets() { // foreign before taken, of which it is a part
		elems, err := conn.GetSetElements(set)
		if err != nil {
			k.close()
			return fmt.Errorf("dump set %s: %w", set.Name, err)
		}
		var gone []nftables.SetElement
		for _, e := range elems {
			frontend, ok := f.parseFrontend(e.Key)
			target := t.Target(frontend)
			switch {
			case ok && target.Group != nil && e.Counter != nil:
				tally := out[target.Group.Key.Service]
				f.tallies.note(&tally, set, e.Counter.Packets)
				out[target.Group.Key.Service] = tally
			case ok && target.Group == nil:
				gone = append(gone, nftables.SetElement{Key: e.Key})
			}
		}
		stale.add(set, true, gone)
	}
	if err := stale.write(k); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget counts of frontends that are gone: %w", err)
	}
	return nil
}

func (t tallies) note(tally *Tally, set *nftables.Set, packets uint64) {
	switch set {
	case t.foreign:
		tally.Foreign += packets
	case t.taken:
		tally.Taken += packets
	case t.refused:
		tally.Refused += packets
	case t.dropped:
		tally.Dropped += packets
	}
}
