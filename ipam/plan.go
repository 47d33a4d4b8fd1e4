package ipam

import (
	"cmp"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
)

// Plan folds the pools and everything that is asked for into the ledger. It is
// the definition; [Update] is the quick way to the same result when little
// changed. Services in prev that are not asked for are gone, their addresses
// free.
func Plan(prev Ledger, in Input) (Ledger, Diff) {
	d, want := newDraft(prev, in.Now, len(in.Requests)), in.Requests
	repooled := prev.layout == nil || !slices.Equal(prev.layout.pools, in.Pools)
	d.arrange(in, repooled)
	d.wake()
	d.forgetMemories(in.Forgotten)
	works, waiting, known := make([]work, 0, len(want)-min(len(want), prev.Len())), []*Request(nil), 0
	for i := range want {
		req := &want[i]
		e := prev.book.get(req.Service.Key)
		if e != nil {
			known++
		}
		switch {
		case repooled || !e.of(req):
			works = append(works, newWork(req, e))
		case e.Refusal != nil:
			waiting = append(waiting, req)
		}
	}
	d.settle(works, missing(prev, want, known))
	d.serve(d.recall(works, waiting))
	return d.done()
}

// missing lists the Services in prev that want does not name, of which known
// are named.
func missing(prev Ledger, want []Request, known int) []config.Key {
	if known == prev.Len() {
		return nil
	}
	named := make(map[config.Key]bool, len(want))
	for _, req := range want {
		named[req.Service.Key] = true
	}
	var gone []config.Key
	for e := range prev.book.all() {
		if key := e.Service.Key; !named[key] {
			gone = append(gone, key)
		}
	}
	return gone
}

// Update is [Plan] for the pools, namespace labels and manual reservations of
// before, when only the changed Services differ and the gone ones are no longer
// wanted. Its cost grows with the change and, if something became free, with
// those who wait. If nothing did, those who wait are not looked at: they wait
// on, each for the reason that was found first.
func Update(prev Ledger, in Delta) (Ledger, Diff) {
	d := newDraft(prev, in.Now, 0)
	if prev.layout == nil {
		d.arrange(Input{}, true)
	}
	d.wake()
	d.forgetMemories(in.Forgotten)
	var works []work
	for i := range in.Changed {
		req := &in.Changed[i]
		if e := prev.book.get(req.Service.Key); !e.of(req) {
			works = append(works, newWork(req, e))
		}
	}
	d.settle(works, in.Gone)
	if d.freed || d.mayOpen(works) {
		works = d.recall(works, d.waiting(works, in.Gone))
	}
	d.serve(works)
	return d.done()
}

// work is one Service in a round: what was known, and what becomes of it.
type work struct {
	*Request
	was     *Entry
	now     *Entry
	born    int64 // when the Service was created, as far as seconds tell
	blank   bool  // nothing was known and nothing is shown: there is nothing to keep
	foreign bool  // its status was written by somebody else
}

func newWork(req *Request, was *Entry) work {
	return work{
		Request: req, was: was, now: newEntry(req), born: req.Service.Created.Unix(),
		blank: was == nil && len(req.Service.Addrs) == 0,
	}
}

// serve grants, oldest first, and writes down what became of everybody.
func (d *draft) serve(works []work) {
	d.settleWear()
	for i := range works {
		d.grant(&works[i])
	}
	d.reopen(works)
	clear(d.owed) // now or never
	d.changes = slices.Grow(d.changes, len(works))
	for i := range works {
		d.review(&works[i])
		d.commit(&works[i])
	}
}

// reopen serves those who may share what was kept for somebody until now.
func (d *draft) reopen(works []work) {
	for d.opened {
		d.opened = false
		for i := range works {
			w := &works[i]
			r := w.now.Refusal
			if r != nil && w.Service.Want.ShareKey != "" && r.Reason != InvalidRequest && r.Reason != ForeignAddress {
				d.grant(w)
			}
		}
	}
}

// mayOpen tells whether one of works may be given what is kept for it, and
// share it.
func (d *draft) mayOpen(works []work) bool {
	return d.mindful && slices.ContainsFunc(works, func(w work) bool {
		kept, _ := d.keepsakes(w.Service)
		return w.Service.Want.ShareKey != "" && len(kept)+len(w.Service.Want.Addrs) > 0
	})
}

func sortElder(works []work) {
	byAge := func(a, b work) int {
		if c := cmp.Compare(a.born, b.born); c != 0 {
			return c
		}
		return elder(a.Service, b.Service)
	}
	if !slices.IsSortedFunc(works, byAge) {
		slices.SortFunc(works, byAge)
	}
}

// forget removes a Service that is gone.
func (d *draft) forget(key config.Key) {
	e := d.prev.book.get(key)
	if e == nil {
		return
	}
	d.vacate(e)
	d.lose(e, nil)
	d.book.remove(key)
	d.waitless(key)
	d.freed = d.freed || len(e.Held)+len(e.Leaving()) > 0
	var drops []Drop
	for _, h := range e.Held {
		drops = append(drops, Drop{h.Addr, "the Service is gone"})
	}
	d.changes = append(d.changes, Change{Was: e, Dropped: drops})
}

// waiting lists the Services that wait, but for those at work and gone.
func (d *draft) waiting(works []work, gone []config.Key) (out []*Request) {
	skip := make(map[config.Key]bool, len(works)+len(gone))
	for i := range works {
		skip[works[i].Service.Key] = true
	}
	for _, key := range gone {
		skip[key] = true
	}
	for key, labels := range d.prev.waits.All() {
		if !skip[key] {
			out = append(out, &Request{Service: d.prev.book.get(key).Service, Labels: labels})
		}
	}
	return out
}

// recall adds Services that wait and did not change: there may be something
// for them now. What they have, they keep.
func (d *draft) recall(works []work, waiting []*Request) []work {
	for _, req := range waiting {
		was := d.prev.book.get(req.Service.Key)
		now := &Entry{Service: was.Service, Held: slices.Clone(was.Held), aside: was.aside}
		d.vacate(was)
		for _, h := range now.Held {
			d.put(h.Addr, now)
			d.join(h.Addr, now.Service)
		}
		for _, addr := range now.Leaving() {
			d.put(addr, now)
		}
		works = append(works, work{Request: req, was: was, now: now, born: req.Service.Created.Unix(), foreign: was.foreign()})
	}
	if len(waiting) > 0 {
		sortElder(works)
	}
	return works
}

// commit writes what became of one Service into the draft.
func (d *draft) commit(w *work) {
	key := w.Service.Key
	d.noteEntry(w.now)
	if w.was.waitsOnly() && w.now.waitsOnly() && sameOutcome(w.was, w.now) && w.was.Service == w.Service {
		return // as before
	}
	switch {
	case !w.now.empty():
		d.book.set(w.now)
	case w.was == nil:
		return
	default:
		d.book.remove(key)
		w.now = nil
	}
	if w.now != nil && w.now.Refusal != nil {
		d.waiters().Set(key, w.Labels)
	} else if w.was != nil && w.was.Refusal != nil {
		d.waitless(key)
	}
	dropped := d.dropped[key]
	if len(dropped) > 0 || !sameOutcome(w.was, w.now) {
		d.changes = append(d.changes, Change{Was: w.was, Now: w.now, Dropped: dropped})
	}
}

// sameOutcome tells whether a and b mean the same to the Service.
func sameOutcome(a, b *Entry) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Held, b.Held) && a.Refusal.same(b.Refusal)
}
