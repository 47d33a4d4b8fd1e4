package speaker

import (
	"net/netip"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// claimTable are the records of who owns what.
type claimTable = config.Table[netip.Addr, *config.L2Claim]

// owners counts the records of each owner, at the cost of those that changed.
type owners struct {
	seen  claimTable
	count map[string]int
}

// read takes in the records as they are now.
func (o *owners) read(now claimTable) {
	for addr := range config.Differing(o.seen, now) {
		if rec, ok := o.seen.Get(addr); ok {
			if o.count[rec.Owner]--; o.count[rec.Owner] == 0 {
				delete(o.count, rec.Owner)
			}
		}
		if rec, ok := now.Get(addr); ok {
			o.count[rec.Owner]++
		}
	}
	o.seen = now
}

// exchanges are the records of addresses that a node took over or gave away,
// found at the cost of the records that changed.
type exchanges struct {
	seen claimTable
	list claimTable
}

// read takes in the records as they are now, as node self sees them at that time. What is
// too old for a second chance is left out. It tells
// whether exchanges came or went.
func (x *exchanges) read(now claimTable, self string, at time.Time) bool {
	var edit *config.Edit[netip.Addr, *config.L2Claim]
	for addr := range config.Differing(x.seen, now) {
		rec, ok := now.Get(addr)
		_, had := x.list.Get(addr)
		takes := ok && rec.Owner != rec.Previous && (rec.Owner == self || rec.Previous == self) && at.Sub(rec.Since) < chanceFor
		if !takes && !had {
			continue
		}
		if edit == nil {
			edit = x.list.Edit()
		}
		if takes {
			edit.Set(addr, rec)
		} else {
			edit.Delete(addr)
		}
	}
	if x.seen = now; edit == nil {
		return false
	}
	x.list = edit.Done()
	return true
}
