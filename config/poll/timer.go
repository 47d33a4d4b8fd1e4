package poll

import "time"

// Tick is how exact a [Timer] is. They are for time limits of connections, of
// which there are many that hardly ever end.
const Tick = 100 * time.Millisecond

// spokes is how many ticks a wheel has; timers beyond go round more than once.
const spokes = 1024

// Timer is a moment at which its Owner is called. It must not be copied once set.
type Timer struct {
	Owner interface{ Expire() }

	at         int64 // tick; 0: not set
	prev, next *Timer
}

// wheel has the timers of a loop, each in the list of its tick.
type wheel struct {
	now     time.Time
	start   time.Time
	tick    int64 // up to which timers have been called
	count   int   // that are set
	running bool  // somebody calls turn at every tick
	lists   [spokes]Timer
}

func newWheel(now time.Time) wheel { return wheel{now: now, start: now} }

// ring tells whether running is not as it has to be.
func (w *wheel) ring() bool { return w.running != (w.count > 0) }

func (w *wheel) set(t *Timer, d time.Duration) {
	w.stop(t)
	// One more: the present tick has begun already.
	t.at = w.ticks() + int64((d+Tick-1)/Tick) + 1
	w.push(t)
	w.count++
}

func (w *wheel) stop(t *Timer) {
	if t.at == 0 {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.at, t.prev, t.next = 0, nil, nil
	w.count--
}

func (w *wheel) push(t *Timer) {
	head := &w.lists[t.at%spokes]
	if head.next == nil {
		head.next, head.prev = head, head
	}
	t.prev, t.next = head.prev, head
	t.prev.next, head.prev = t, t
}

func (w *wheel) ticks() int64 { return int64(w.now.Sub(w.start) / Tick) }

// turn calls those whose time has come. An owner may set and stop any timer
// meanwhile.
func (w *wheel) turn() {
	now := w.ticks()
	if w.count == 0 {
		w.tick = now
	}
	w.tick = max(w.tick, now-spokes) // once round is all
	for w.tick < now {
		w.tick++
		w.call(&w.lists[w.tick%spokes], now)
	}
}

// call empties a list into one of its own first: what is set meanwhile may come
// into the same list.
func (w *wheel) call(head *Timer, now int64) {
	if head.next == nil || head.next == head {
		return
	}
	var list Timer
	list.next, list.prev = head.next, head.prev
	list.next.prev, list.prev.next = &list, &list
	head.next, head.prev = head, head
	for list.next != &list {
		t := list.next
		if t.at > now { // another round
			t.prev.next, t.next.prev = t.next, t.prev
			w.push(t)
			continue
		}
		w.stop(t)
		t.Owner.Expire()
	}
}
