package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// Standing is how a manual reservation stands.
type Standing struct {
	State      config.ReservationState // Reserved, Bound or Refused
	Pool       string                  // of its addresses, with a comma between if they are two
	PoolLabels map[string]string       // of the first of these
	Bound      time.Time               // since when its Service has an address of it
	// Refusal says why an address of it is not kept for its Service; nil if all
	// are. A reservation may be bound by one address and refused the other.
	Refusal *Refusal
}

func (s Standing) same(o Standing) bool {
	return s.State == o.State && s.Pool == o.Pool && maps.Equal(s.PoolLabels, o.PoolLabels) &&
		s.Bound.Equal(o.Bound) && s.Refusal.same(o.Refusal)
}

// Standing is how the manual reservation of that key stands; false: there is
// none.
func (l Ledger) Standing(reservation config.Key) (Standing, bool) {
	return l.standings.Get(reservation)
}

// stand looks at the reservations that may stand otherwise than before: all,
// or those of the noted addresses.
func (d *draft) stand() (changed []config.Key) {
	c := d.next.claims
	if len(c.all) == 0 && d.next.standings.Len() == 0 {
		return nil
	}
	e := d.next.standings.Edit()
	look := c.all
	if d.standAll {
		for key := range d.next.standings.All() {
			if c.byKey[key] == nil {
				e.Delete(key)
			}
		}
	} else {
		look = nil
		for _, addr := range d.notes {
			look = append(look, c.byAddr[addr]...)
		}
	}
	for _, r := range look {
		was, known := d.prev.standings.Get(r.Key)
		if now := d.standing(r, was, known); !known || !now.same(was) {
			e.Set(r.Key, now)
			changed = append(changed, r.Key)
		}
	}
	d.next.standings = e.Done()
	slices.SortFunc(changed, config.Key.Compare)
	return slices.Compact(changed)
}

// standing is how r stands, which stood as was.
func (d *draft) standing(r *config.Reservation, was Standing, known bool) Standing {
	now := Standing{State: config.ReservationReserved}
	var pools []string
	for _, addr := range r.Addrs {
		addr = addr.Unmap()
		pool := ""
		if p := d.next.layout.poolOf(addr); p != nil {
			pool = p.Name
		}
		if e := d.holder(addr, r.For()); e != nil && e.Service.Key == r.For() {
			now.State = config.ReservationBound
			pool = e.Held[slices.IndexFunc(e.Held, func(h Held) bool { return h.Addr == addr })].Pool
		} else if now.Refusal == nil {
			now.Refusal = d.refuse(r, addr)
		}
		if pool != "" && !slices.Contains(pools, pool) {
			pools = append(pools, pool)
		}
	}
	if now.Pool = strings.Join(pools, ","); len(pools) > 0 {
		known, _, _ := strings.Cut(was.Pool, ",")
		now.PoolLabels = d.labelsOf(pools[0], known, was.PoolLabels)
	}
	switch {
	case now.State != config.ReservationBound:
		if now.Refusal != nil {
			now.State = config.ReservationRefused
		}
	case was.State == config.ReservationBound:
		now.Bound = was.Bound
	case !known && r.Status.State == config.ReservationBound:
		now.Bound = r.Status.Bound // as the leader before wrote it
	default:
		now.Bound = floor(d.now)
	}
	return now
}

// refuse says why addr is not kept for r's Service now; nil if it is.
func (d *draft) refuse(r *config.Reservation, addr netip.Addr) *Refusal {
	if no := d.next.claims.refused[r.Key][addr]; no != nil {
		return no
	}
	var by *Entry
	for e := range d.tenants(addr).all() {
		if e.Service.Key != r.For() && (by == nil || elder(e.Service, by.Service) < 0) {
			by = e
		}
	}
	if by == nil {
		return nil
	}
	return &Refusal{
		Service: r.For(), Reason: AddressInUse,
		Message: fmt.Sprintf("%v belongs to %v, which keeps it for as long as it wants it", addr, by.Service.Key),
		Remedy:  "reserve another address, or let that Service ask for another",
	}
}

// labelsOf is the labels of the pool of that name: as it is, as it was known,
// or as it was in the layout before.
func (d *draft) labelsOf(pool, known string, labels map[string]string) map[string]string {
	if p := d.next.layout.named(pool); p != nil {
		return p.Labels
	}
	if pool == known && pool != "" {
		return labels
	}
	if d.prev.layout != nil {
		if p := d.prev.layout.named(pool); p != nil {
			return p.Labels
		}
	}
	return nil
}
