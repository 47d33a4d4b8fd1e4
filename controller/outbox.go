package controller

import (
	"container/heap"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// outbox holds what is still to be written: per object the newest only, one at
// a time, failed ones again after a pause. It has no clock and no goroutine.
type outbox struct {
	slots map[config.Ref]*slot
	queue slotHeap
	seq   uint64
	busy  int // writes under way
	yields
}

// slot is one object. It is in the queue while next is set and busy is not.
type slot struct {
	ref     config.Ref
	next    *write
	busy    *write
	last    *write       // what was written last, as far as we know still there
	wants   []netip.Addr // what the object shall show
	may     []netip.Addr // what it may show because we wrote it
	lastAt  time.Time
	fails   int  // in a row
	stale   bool // the last failure was a conflict
	gone    bool // the object is gone: nothing to remember
	repeats int  // times that last had to be written anew
	due     time.Time
	seq     uint64
	index   int // in the queue; -1: not in it
}

const (
	retryMin    = 50 * time.Millisecond
	retryMax    = 30 * time.Second
	poolGap     = time.Second // between two writes of one pool's counts
	calmAfter   = time.Minute // repeats are forgotten
	idleForever = time.Hour
)

func newOutbox() *outbox { return &outbox{slots: map[config.Ref]*slot{}, yields: newYields()} }

// put asks for w, in place of whatever was asked for the object before.
func (o *outbox) put(w *write, now time.Time) {
	s := o.slots[w.ref]
	if s == nil {
		s = &slot{ref: w.ref, index: -1}
		o.slots[w.ref] = s
	}
	s.gone, s.wants = false, w.status.Addrs
	switch {
	case s.next != nil:
		o.replace(s, w, now)
		return
	case s.busy != nil && s.busy.same(w):
		return
	case s.busy == nil && s.last != nil && s.last.same(w):
		if s.last.basis == w.basis {
			return // written, but the snapshot does not show it yet
		}
		w.events = nil // told when it was written first
		if s.repeats++; now.Sub(s.lastAt) > calmAfter {
			s.repeats = 0
		}
	default:
		s.repeats = 0
	}
	s.next = w
	o.schedule(s, now)
}

// replace puts w in the place of a write that has not begun.
func (o *outbox) replace(s *slot, w *write, now time.Time) {
	if s.stale && s.next.basis != w.basis { // the fresh object that a conflict waits for
		s.stale, s.due = false, now
		if s.index >= 0 {
			heap.Fix(&o.queue, s.index)
		}
	}
	if s.next.same(w) {
		w.events = s.next.events // they may know better reasons
	}
	if w.asked.IsZero() {
		w.asked = s.next.asked
	}
	s.next = w
	o.wake(s)
}

// schedule puts s into the queue if it belongs there.
func (o *outbox) schedule(s *slot, now time.Time) {
	if s.busy != nil || s.next == nil || s.index >= 0 {
		return
	}
	s.due = now
	if s.fails > 0 {
		s.due = now.Add(backoff(s.fails))
	} else if s.repeats > 1 { // somebody else writes this status as well
		s.due = now.Add(backoff(s.repeats))
	} else if s.ref.Kind == config.KindIPAddressPool && now.Sub(s.lastAt) < poolGap {
		s.due = s.lastAt.Add(poolGap)
	}
	o.seq++
	s.seq = o.seq
	heap.Push(&o.queue, s)
}

func backoff(n int) time.Duration {
	return min(retryMin<<min(n-1, 16), retryMax)
}

// settled notes that the object says what it shall, wants among it. What was
// written last is remembered, so that a quarrel with another writer is noticed.
func (o *outbox) settled(ref config.Ref, wants ...netip.Addr) {
	s := o.slots[ref]
	if s == nil {
		return
	}
	s.next, s.wants = nil, wants
	delete(o.held, s)
	if s.index >= 0 {
		heap.Remove(&o.queue, s.index)
	}
}

// forget drops an object that is gone.
func (o *outbox) forget(ref config.Ref) {
	o.settled(ref)
	if s := o.slots[ref]; s != nil {
		if s.gone = true; s.busy == nil {
			o.drop(s)
		}
		o.wakeAll()
	}
}

// drop forgets the slot.
func (o *outbox) drop(s *slot) {
	o.show(s, nil)
	delete(o.slots, s.ref)
}

// said is what the object says once the writes that have begun are seen: the
// write under way, or the last one if the object still is as it was then.
func (o *outbox) said(ref config.Ref, basis any) *write {
	s := o.slots[ref]
	switch {
	case s == nil:
		return nil
	case s.busy != nil:
		return s.busy
	case s.last != nil && s.last.basis == basis:
		return s.last
	}
	return nil
}

// carries tells whether a write for the object that waits or is under way
// brings m along.
func (o *outbox) carries(ref config.Ref, m *memory) bool {
	s := o.slots[ref]
	if s == nil {
		return false
	}
	for _, w := range []*write{s.next, s.busy} {
		if w != nil && slices.ContainsFunc(w.memories, m.same) {
			return true
		}
	}
	return false
}

// dropped tells whether the last write of the object of that uid was its end.
func (o *outbox) dropped(ref config.Ref, uid string) bool {
	s := o.slots[ref]
	if s == nil {
		return false
	}
	return slices.ContainsFunc([]*write{s.busy, s.last}, func(w *write) bool { return w != nil && w.drop && w.uid() == uid })
}

// peek is the write that is due first, or nil and how long there is none.
func (o *outbox) peek(now time.Time) (*write, time.Duration) {
	o.overdue(now)
	for len(o.queue) > 0 {
		s := o.queue[0]
		if wait := s.due.Sub(now); wait > 0 {
			return nil, min(wait, o.overdue(now))
		}
		if !o.must(s, now) {
			return s.next, 0
		}
		heap.Remove(&o.queue, 0)
		if _, ok := o.held[s]; !ok {
			o.held[s] = now
		}
	}
	return nil, o.overdue(now)
}

// begin notes that a worker took w.
func (o *outbox) begin(w *write) {
	s := o.slots[w.ref]
	heap.Remove(&o.queue, s.index)
	s.busy, s.next = w, nil
	o.busy++
	delete(o.held, s)
	o.also(s, w.status.Addrs)
}

// end notes how w went. A failed write is due again unless a newer one is.
func (o *outbox) end(w *write, err error, now time.Time) {
	s := o.slots[w.ref]
	s.busy = nil
	o.busy--
	defer o.wakeAll()
	switch {
	case (errors.Is(err, config.ErrGone) || s.gone) && s.next == nil:
		o.drop(s)
		return
	case errors.Is(err, config.ErrGone): // next is for another object of that name
		s.fails, s.last = 0, nil
		o.show(s, nil)
	case err != nil:
		s.fails++
		s.stale = errors.Is(err, config.ErrConflict)
		if s.next == nil {
			s.next = w
		} else {
			s.next.events = append(w.events, s.next.events...)
		}
	default:
		s.fails, s.stale, s.last, s.lastAt = 0, false, w, now
		o.show(s, w.status.Addrs)
	}
	o.schedule(s, now)
}

// failures is how often writing the object has failed in a row.
func (o *outbox) failures(ref config.Ref) int {
	if s := o.slots[ref]; s != nil {
		return s.fails
	}
	return 0
}

// depth is how many writes wait or are under way.
func (o *outbox) depth() int { return len(o.queue) + o.busy + o.asleep() }
