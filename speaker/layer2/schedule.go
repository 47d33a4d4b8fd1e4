package layer2

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"time"
)

// announceAt is when an address taken over is announced: at once, and again
// for neighbours that ignore changes to an entry younger than a second, or
// that lost the frame.
var announceAt = []time.Duration{0, time.Second, 2 * time.Second, 5 * time.Second}

const (
	// refreshGap is the least mean time between two refreshes: with many
	// addresses each has its turn more seldom.
	refreshGap = 10 * time.Millisecond
	// refreshGrid is what the times of refreshes are rounded up to, so that
	// many of them do not wake the process many times.
	refreshGrid = 100 * time.Millisecond
	// fullPause is how soon an announcement is tried again on a link that took no
	// more frames.
	fullPause = 20 * time.Millisecond
)

// target is an address on a link.
type target struct {
	link linkKey
	addr netip.Addr
}

// schedule holds the announcements still to be made.
type schedule struct {
	random func() float64           // in [0, 1)
	began  map[target]time.Duration // targets now claimed, and since when
	claims claimSet
	queue  dues
}

// due is the next announcement of a target.
type due struct {
	target
	began time.Duration // tells a claim from an earlier one on the same target
	at    time.Duration
	step  int  // in announceAt; beyond it: a refresh
	again bool // the link did not take it; the one after it is queued
}

func (d due) refreshes() bool { return d.step >= len(announceAt) }

func newSchedule() *schedule {
	return &schedule{random: rand.Float64, began: map[target]time.Duration{}}
}

// set starts the targets that are new in claims, forgets those that are gone,
// and goes on with those that have another interval.
func (s *schedule) set(claims claimSet, now time.Duration) {
	before := s.claims
	s.claims = claims
	for t := range s.began {
		if !claims.owns(t.link, t.addr) {
			delete(s.began, t)
		}
	}
	for link, addrs := range claims {
		for addr, refresh := range addrs {
			t := target{link, addr}
			switch {
			case s.began[t] == 0:
				s.start(t, now)
			case refresh != before[link][addr] && now > s.began[t]+announceAt[len(announceAt)-1]:
				s.settle(t, now)
			}
		}
	}
}

// restart announces all of a link's targets again.
func (s *schedule) restart(link linkKey, now time.Duration) {
	for t := range s.began {
		if t.link == link {
			s.start(t, now)
		}
	}
}

func (s *schedule) start(t target, now time.Duration) {
	if s.began[t] == now {
		return // already queued in this round
	}
	s.began[t] = now
	heap.Push(&s.queue, due{target: t, began: now, at: now})
}

// settle goes on with the refreshes of a target that was announced long ago.
func (s *schedule) settle(t target, now time.Duration) {
	s.began[t] = now
	d := due{target: t, began: now, step: len(announceAt) - 1}
	if at, ok := s.after(d, now); ok {
		d.at, d.step = at, d.step+1
		heap.Push(&s.queue, d)
	}
}

// next takes what is due.
func (s *schedule) next(now time.Duration) []due {
	var out []due
	for len(s.queue) > 0 && s.queue[0].at <= now {
		d := heap.Pop(&s.queue).(due)
		if s.began[d.target] != d.began {
			continue
		}
		out = append(out, d)
		if d.again {
			continue
		}
		if at, ok := s.after(d, now); ok {
			d.at, d.step = at, d.step+1
			heap.Push(&s.queue, d)
		}
	}
	return out
}

// retry has d, which a link did not take, tried again soon, unless the one after
// it comes soon enough.
func (s *schedule) retry(d due, now time.Duration) {
	d.at, d.again = now+fullPause, true
	if d.step+1 < len(announceAt) && d.at < d.began+announceAt[d.step+1] {
		heap.Push(&s.queue, d)
	}
}

// after is when the announcement after d is due. The first refresh comes at any
// time within the interval, so that addresses taken over together do not stay
// together.
func (s *schedule) after(d due, now time.Duration) (at time.Duration, ok bool) {
	if d.step+1 < len(announceAt) {
		return d.began + announceAt[d.step+1], true
	}
	refresh := s.claims[d.link][d.addr]
	if refresh <= 0 {
		return 0, false
	}
	interval := float64(max(refresh, time.Duration(len(s.began))*refreshGap))
	wait := time.Duration(interval * (0.9 + 0.2*s.random()))
	if !d.refreshes() {
		wait = time.Duration(interval * s.random())
	}
	return (now + wait + refreshGrid).Truncate(refreshGrid), true
}

// wait is how long until the next is due, at most limit.
func (s *schedule) wait(now, limit time.Duration) time.Duration {
	if len(s.queue) > 0 {
		limit = min(limit, max(0, s.queue[0].at-now))
	}
	return limit
}

// dues is a heap by time.
type dues []due

func (q dues) Len() int           { return len(q) }
func (q dues) Less(i, j int) bool { return q[i].at < q[j].at }
func (q dues) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dues) Push(d any)        { *q = append(*q, d.(due)) }
func (q *dues) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	*q = (*q)[:last]
	return d
}
