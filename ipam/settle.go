package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
)

// settle forgets who is gone and lets those who changed keep what is valid.
// First those who held something before, then those whose status shows
// something that this ledger did not know of: what is held cannot be taken by
// writing it into a status. Within each turn the elder goes first. Last comes
// what nobody holds and some status still shows.
func (d *draft) settle(works []work, gone []config.Key) {
	for _, key := range gone {
		d.forget(key)
	}
	for i := range works {
		d.vacate(works[i].was)
	}
	sortElder(works)
	d.keepAll(works)
	for i := range works {
		w := &works[i]
		if w.blank {
			continue
		}
		if w.Bystander {
			d.retire(w)
		}
		d.leave(w)
		d.lose(w.was, w.now)
		d.freed = d.freed || gaveWay(w.was, w.now)
	}
	d.release()
	d.remind()
}

// lose notes what was held and is not any more.
func (d *draft) lose(was, now *Entry) {
	if was == nil {
		return
	}
	d.noteEntry(was)
	for _, h := range was.Held {
		if !now.has(h.Addr) {
			d.losses = append(d.losses, loss{h.Addr, was})
		}
	}
}

func (d *draft) keepAll(works []work) {
	for turn := range claimOrder {
		for i := range works {
			w := &works[i]
			if w.blank || w.Bystander || claimTurn(w) != turn {
				continue
			}
			if turn < claimOrder-1 {
				d.keep(w, w.was.Held, toHold)
				continue
			}
			held, foreign := d.shown(w)
			w.foreign = foreign
			d.keep(w, held, toShow)
		}
	}
}

// claimTurn is when w may claim what it has: those who did not change (but the
// pools did) before those who did, and last those who hold nothing yet.
func claimTurn(w *work) int {
	switch {
	case w.was == nil || len(w.was.Held) == 0:
		return claimOrder - 1
	case w.was.Service != w.Service:
		return 1
	}
	return 0
}

const claimOrder = 3

// retire notes what w loses by not being ours to serve any more.
func (d *draft) retire(w *work) {
	if w.was == nil {
		return
	}
	for _, h := range w.was.Held {
		d.drop(w, h.Addr, "the Service is no longer ours to serve")
	}
}

// drop tells w why it loses addr.
func (d *draft) drop(w *work, addr netip.Addr, why string) {
	d.dropped[w.Service.Key] = append(d.dropped[w.Service.Key], Drop{addr, why})
}

// shown turns the addresses in a Service's status into claims. They are
// somebody else's if one lies in no pool and we never said we gave it. What it
// is known to be leaving was judged before, unless the Service now asks for it.
func (d *draft) shown(w *work) (held []Held, foreign bool) {
	svc := w.Service
	var from []string
	if svc.AllocatedFrom != "" {
		from = strings.Split(svc.AllocatedFrom, ",")
	}
	for i, addr := range svc.Addrs {
		h := Held{Addr: addr.Unmap()}
		if w.was.leaves(h.Addr) && wishOf(svc, config.FamilyOf(h.Addr)) != h.Addr {
			continue
		}
		if len(from) > 0 {
			h.Pool = strings.TrimSpace(from[min(i, len(from)-1)])
		} else if r := d.records[h.Addr]; r != nil && r.Holds(svc.Key, h.Addr) {
			h.Pool = r.Status.Pool
		} else if d.next.layout.poolOf(h.Addr) == nil {
			return nil, true
		}
		held = append(held, h)
	}
	return held, false
}

// keep gives w what it may keep of held and notes why it loses the rest.
func (d *draft) keep(w *work, held []Held, as purpose) {
	for _, h := range held {
		h = d.attribute(h, w.Service)
		why := unwanted(w, h)
		if why == "" {
			why = d.removed(w.Service, h)
		}
		if why == "" {
			if o := d.obstacle(h.Addr, w.Service, as); o != nil {
				why = "it " + o.text
			}
		}
		if why != "" {
			if !w.was.leaves(h.Addr) { // else it was told before
				d.drop(w, h.Addr, why)
			}
			continue
		}
		w.now.Held = append(w.now.Held, h)
		d.take(h.Addr, w.now)
	}
	sortHeld(w.now.Held, w.Service)
}

// attribute finds the pool that h is of today. A pool edit that leaves the
// address without a pool, or moves it out of the one that the Service names,
// does not take it away.
func (d *draft) attribute(h Held, svc *config.Service) Held {
	p := d.next.layout.poolOf(h.Addr)
	h.Lost = p == nil
	h.Gone = h.Lost || (svc.Want.Pool != "" && svc.Want.Pool == h.Pool && p.Name != h.Pool)
	if !h.Gone {
		h.Pool = p.Name
	}
	return h
}

// removed says that a pool edit left h without a pool and that such addresses
// are to be replaced, or "". The pool's word counts as it is now or, if it is
// gone, as it was before.
func (d *draft) removed(svc *config.Service, h Held) string {
	if !h.Lost || svc.Deleted || svc.Want.Problem != nil {
		return ""
	}
	p := d.next.layout.named(h.Pool)
	if p == nil && d.prev.layout != nil {
		p = d.prev.layout.named(h.Pool)
	}
	if p == nil || p.OnRemoval != config.Reallocate {
		return ""
	}
	return fmt.Sprintf("pool %s no longer holds it and has onRemoval Reallocate; to let Services keep such addresses, set onRemoval to Keep before the range is taken out", h.Pool)
}

// unwanted says why the Service itself no longer asks for h, or "".
func unwanted(w *work, h Held) string {
	svc := w.Service
	if svc.Want.Problem != nil {
		return "" // what it asks for cannot be read: leave it as it is
	}
	f := config.FamilyOf(h.Addr)
	if !slices.Contains(familiesOf(svc), f) {
		return fmt.Sprintf("the Service has no external %v address any more", f)
	}
	for _, other := range w.now.Held {
		if config.FamilyOf(other.Addr) == f {
			return fmt.Sprintf("the Service has %v already", other.Addr)
		}
	}
	if wish := wishOf(svc, f); wish.IsValid() && wish != h.Addr {
		return fmt.Sprintf("the Service asks for %v", wish)
	}
	if svc.Want.Pool != "" && svc.Want.Pool != h.Pool {
		return fmt.Sprintf("the Service asks for pool %q", svc.Want.Pool)
	}
	return ""
}

// leave occupies what w's status shows and nobody holds.
func (d *draft) leave(w *work) {
	for _, addr := range w.Service.Addrs {
		addr = addr.Unmap()
		if !w.now.occupies(addr) {
			w.now.leave(addr)
			d.put(addr, w.now)
		}
	}
}

// gaveWay tells whether was stood in somebody's way and now does not.
func gaveWay(was, now *Entry) bool {
	if was == nil {
		return false
	}
	for _, h := range was.Held {
		if !now.occupies(h.Addr) {
			return true
		}
	}
	for _, addr := range was.Leaving() {
		if !now.occupies(addr) || now.holds(addr) { // held again, it may be shared
			return true
		}
	}
	return len(was.Held) > 0 && !sameShare(was.Service, now.Service)
}
