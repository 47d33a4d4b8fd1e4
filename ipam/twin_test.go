package ipam

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// twin is the slow, obvious Plan: everything in lists, every question answered
// by looking at all of them, every address found by trying one after another.
// It uses the ledger's rules about a single Service or pair (clash, declines,
// unwanted …) and none of its structures.
type twin struct {
	led      bool // there was a plan before
	pools    []*config.Pool
	reserved []*config.Reservation // manual ones, eldest first
	entries  map[config.Key]*Entry
	memories map[netip.Addr]Memory
	stands   map[config.Key]Standing
	freed    []netip.Addr // of pools that give the least recently used, longest free first
	woken    []netip.Addr // whose memory somebody deleted since

	// of this round
	before  *twin
	now     time.Time
	records map[netip.Addr]*config.Reservation
	owed    map[netip.Addr]bool
}

func (t *twin) plan(in Input) *twin {
	next := &twin{
		led: true, pools: in.Pools, reserved: manual(in.Reservations), now: in.Now, before: t,
		entries: map[config.Key]*Entry{}, memories: maps.Clone(t.memories), stands: map[config.Key]Standing{},
		owed: map[netip.Addr]bool{},
	}
	if next.memories == nil {
		next.memories = map[netip.Addr]Memory{}
	}
	if !t.led {
		next.records = recordsOf(in.Reservations)
	}
	maps.DeleteFunc(next.memories, func(_ netip.Addr, m Memory) bool {
		return m.State == config.ReservationReleased && !m.FreeAt.After(in.Now)
	})
	works, waiting := next.sort(in)
	next.keepAll(works)
	for _, w := range waiting {
		next.entries[w.Service.Key] = w.now
	}
	next.release()
	next.remind()
	next.age()
	works = append(works, waiting...)
	sortElder(works)
	for i := range works {
		next.grant(&works[i])
	}
	next.reopen(works)
	for _, w := range works {
		if w.now.empty() {
			delete(next.entries, w.Service.Key)
		}
	}
	next.freed = slices.DeleteFunc(next.freed, next.taken)
	next.remember()
	next.stand()
	next.before = nil
	return next
}

// sort tells who must be looked at from who goes on as before, and from who
// goes on waiting.
func (t *twin) sort(in Input) (works, waiting []work) {
	for i := range in.Requests {
		req := &in.Requests[i]
		was := t.before.entries[req.Service.Key]
		same := was.of(req)
		if same && slices.Equal(t.before.pools, in.Pools) {
			t.entries[req.Service.Key] = was
			if was.Refusal != nil {
				waiting = append(waiting, work{Request: req, was: was, born: req.Service.Created.Unix(), foreign: was.foreign(),
					now: &Entry{Service: was.Service, Held: was.Held, aside: was.aside}})
			}
			continue
		}
		works = append(works, newWork(req, was))
	}
	sortElder(works)
	return works, waiting
}

// rules is a draft that answers questions about pools and the leader before.
func (t *twin) rules() *draft {
	d := &draft{next: Ledger{layout: layoutOf(t.pools)}, recollect: recollect{records: t.records}}
	if t.before.led {
		d.prev.layout = layoutOf(t.before.pools)
	}
	return d
}

func (t *twin) keepAll(works []work) {
	rules := t.rules()
	for _, turn := range []string{"held, unchanged", "held, changed", "shown"} {
		for i := range works {
			w := &works[i]
			now, why := "shown", toShow
			if w.was != nil && len(w.was.Held) > 0 {
				now, why = "held, changed", toHold
				if w.was.Service == w.Service {
					now = "held, unchanged"
				}
			}
			if w.Bystander || now != turn {
				continue
			}
			claims := []Held(nil)
			if turn != "shown" {
				claims = w.was.Held
			} else {
				claims, w.foreign = rules.shown(w)
			}
			for _, h := range claims {
				h = rules.attribute(h, w.Service)
				if unwanted(w, h) == "" && rules.removed(w.Service, h) == "" && t.open(h.Addr, w.Service, why) {
					w.now.Held = append(w.now.Held, h)
					t.entries[w.Service.Key] = w.now
					t.wake(h.Addr)
				}
			}
			sortHeld(w.now.Held, w.Service)
		}
	}
	for _, w := range works {
		for _, addr := range w.Service.Addrs {
			if !w.now.occupies(addr) {
				w.now.leave(addr)
			}
		}
		t.entries[w.Service.Key] = w.now
	}
}

// open tells whether svc may have addr with whoever else has it.
func (t *twin) open(addr netip.Addr, svc *config.Service, why purpose) bool {
	for key, e := range t.entries {
		if key == svc.Key || !e.occupies(addr) || why != toGrant && !e.holds(addr) {
			continue
		}
		if !e.holds(addr) || clash(svc, e.Service, t.mayCross(addr, svc, e, why)) != "" {
			return false
		}
	}
	if why == toHold || why == toShow && !t.before.led {
		return true
	}
	if m := t.memories[addr]; m.State == config.ReservationReleased && m.For != svc.Key {
		return false
	}
	r := t.owner(addr)
	return r == nil || r.For() == svc.Key || t.entries[r.For()].has(addr)
}

func (t *twin) mayCross(addr netip.Addr, svc *config.Service, e *Entry, why purpose) bool {
	both := t.before.entries[svc.Key].has(addr) && t.before.entries[e.Service.Key].has(addr)
	return why == toHold && both || across(config.PoolOf(t.pools, addr), svc.Namespace, e.Service.Namespace)
}

func (t *twin) grant(w *work) {
	svc := w.Service
	w.now.Refusal = nil
	switch {
	case w.Bystander:
		return
	case w.foreign:
		w.now.Refusal = &Refusal{Reason: ForeignAddress}
		return
	case svc.Want.Problem != nil || contradiction(svc) != nil && !svc.Deleted:
		w.now.Refusal = &Refusal{Reason: InvalidRequest}
		return
	case svc.Deleted:
		return
	}
	lack := lacking(w)
	var got []Held
	for _, f := range lack {
		if wish := wishOf(svc, f); wish.IsValid() {
			p := config.PoolOf(t.pools, wish)
			ok := p != nil && (svc.Want.Pool == "" || svc.Want.Pool == p.Name) && !avoided(p, wish) &&
				declines(p, w.Request) == "" && t.open(wish, svc, toGrant)
			if !ok {
				w.now.Refusal = &Refusal{Reason: "wish"}
				return
			}
			got = append(got, Held{Addr: wish, Pool: p.Name})
		}
	}
	got = t.own(w, lack, got)
	got = t.fill(w, lack, got)
	if len(got) < len(lack) {
		w.now.Refusal = &Refusal{Reason: "search"}
		if svc.FamilyPolicy == config.RequireDualStack {
			return
		}
	}
	w.now.Held = append(slices.Clone(w.now.Held), got...)
	for _, h := range got {
		t.wake(h.Addr)
	}
	sortHeld(w.now.Held, svc)
}

// reopen grants again until nobody gets more: sharers may have become possible.
func (t *twin) reopen(works []work) {
	for again := true; again; {
		again = false
		for i := range works {
			w := &works[i]
			if had := len(w.now.Held); w.now.Refusal != nil && w.Service.Want.ShareKey != "" {
				t.grant(w)
				again = again || len(w.now.Held) > had
			}
		}
	}
}
