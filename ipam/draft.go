package ipam

import (
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// draft is a ledger in the making.
type draft struct {
	prev, next Ledger
	now        time.Time
	made       *edit
	book       *bookEdit
	waits      *config.Edit[config.Key, map[string]string] // nil: as before
	groups     map[group][]netip.Addr                      // those that differ from next.groups
	memories   map[netip.Addr]*Memory                      // those that differ from prev.memories; nil: none
	recollect                                              // of the leader before
	fresh      bool                                        // a new leader
	mindful    bool                                        // there is something to remember
	standAll   bool                                        // every manual reservation may stand otherwise
	freed      bool                                        // somebody who waits may now be served
	opened     bool                                        // a kept address was given that others may share
	losses     []loss
	dropped    map[config.Key][]Drop
	notes      []netip.Addr // whose memory or reservation may change
	rewrite    []netip.Addr // whose memory shall be written again
	vacant     []netip.Addr // became free, perhaps not for long
	counts     map[poolFamily]string
	found      []Held // room for what is found for one Service
	changes    []Change
}

func newDraft(prev Ledger, now time.Time, room int) *draft {
	d := &draft{
		prev: prev, next: prev, now: now, made: new(edit), fresh: prev.layout == nil,
		book:   prev.book.edit(room),
		groups: map[group][]netip.Addr{}, memories: map[netip.Addr]*Memory{},
		counts: map[poolFamily]string{}, dropped: map[config.Key][]Drop{},
	}
	if d.fresh {
		d.next.used, d.next.kept = newAddrs[tenants](), newAddrs[struct{}]()
		d.next.claims = noClaims
		d.owed, d.rested = map[netip.Addr]bool{}, map[config.Key][]netip.Addr{}
	}
	d.mindful = !d.fresh && (prev.layout.mindful || prev.memories.Len() > 0 || len(prev.claims.all) > 0)
	return d
}

// arrange takes in pools and reservations.
func (d *draft) arrange(in Input, repooled bool) {
	if repooled {
		d.next.layout = layoutOf(in.Pools)
		d.rewear()
	}
	if d.fresh {
		d.records = recordsOf(in.Reservations)
	}
	byHand := manual(in.Reservations)
	d.mindful = d.mindful || d.next.layout.mindful || len(byHand)+len(d.records) > 0
	if repooled || !slices.Equal(d.next.claims.all, byHand) {
		d.reclaim(byHand)
	}
}

func (d *draft) done() (Ledger, Diff) {
	d.next.book = d.book.book
	if d.waits != nil {
		d.next.waits = d.waits.Done()
	}
	slices.SortFunc(d.notes, netip.Addr.Compare)
	d.notes = slices.Compact(d.notes)
	for _, addr := range d.notes {
		d.remember(addr)
	}
	memories := d.remembered()
	standings := d.stand()
	if len(d.groups) > 0 {
		e := d.next.groups.Edit()
		for g, addrs := range d.groups {
			if len(addrs) == 0 {
				e.Delete(g)
			} else {
				e.Set(g, addrs)
			}
		}
		d.next.groups = e.Done()
	}
	return d.next, Diff{d.changes, memories, standings}
}

// waiters is where those are written down who wait.
func (d *draft) waiters() *config.Edit[config.Key, map[string]string] {
	if d.waits == nil {
		d.waits = d.next.waits.Edit()
	}
	return d.waits
}

// waitless notes that a Service waits no more.
func (d *draft) waitless(key config.Key) {
	if _, ok := d.prev.waits.Get(key); ok {
		d.waiters().Delete(key)
	}
}
