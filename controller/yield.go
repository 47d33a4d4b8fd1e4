package controller

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

// yieldMost is how long a write waits for the former holder of an address. By
// then every write has ended; whoever waits longer waits for one who waits too.
const yieldMost = 2 * defaultWriteTimeout

// yields keeps an address from its next holder for as long as the former one
// may still show it: a write that is under way, or whose outcome is not known,
// is not in any snapshot, so the ledger cannot tell.
type yields struct {
	shown map[netip.Addr][]*slot // who may show it because we wrote it
	held  map[*slot]time.Time    // whose write waits, and since when
}

func newYields() yields {
	return yields{shown: map[netip.Addr][]*slot{}, held: map[*slot]time.Time{}}
}

// show notes which addresses the object of s may show by what we wrote.
func (y *yields) show(s *slot, addrs []netip.Addr) {
	for _, addr := range s.may {
		rest := slices.DeleteFunc(y.shown[addr], func(other *slot) bool { return other == s })
		if y.shown[addr] = rest; len(rest) == 0 {
			delete(y.shown, addr)
		}
	}
	s.may = addrs
	for _, addr := range addrs {
		y.shown[addr] = append(y.shown[addr], s)
	}
}

// also is show for addresses on top of those before.
func (y *yields) also(s *slot, addrs []netip.Addr) {
	y.show(s, append(slices.Clone(s.may), minus(addrs, s.may)...))
}

// must tells whether the next write of s gives an address that somebody else
// has to let go of first, and who has not been waited for long enough.
func (y *yields) must(s *slot, now time.Time) bool {
	if since, ok := y.held[s]; ok && now.Sub(since) >= yieldMost {
		return false
	}
	for _, addr := range s.next.status.Addrs {
		for _, other := range y.shown[addr] {
			if other != s && !other.gone && !slices.Contains(other.wants, addr) {
				return true
			}
		}
	}
	return false
}

// wake puts a slot back into the queue whose write waited for an address.
func (o *outbox) wake(s *slot) {
	if _, ok := o.held[s]; ok && s.index < 0 && s.next != nil && s.busy == nil {
		heap.Push(&o.queue, s)
	}
}

func (o *outbox) wakeAll() {
	for s := range o.held {
		o.wake(s)
	}
}

// overdue wakes those that have waited long enough, and says how long it is
// until there is another.
func (o *outbox) overdue(now time.Time) time.Duration {
	wait := idleForever
	for s, since := range o.held {
		if left := since.Add(yieldMost).Sub(now); left > 0 {
			wait = min(wait, left)
		} else {
			o.wake(s)
		}
	}
	return wait
}

// asleep counts the writes that wait for an address.
func (o *outbox) asleep() (n int) {
	for s := range o.held {
		if s.index < 0 {
			n++
		}
	}
	return n
}
