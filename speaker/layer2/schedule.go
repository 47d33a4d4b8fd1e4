package layer2

import (
	"net/netip"
	"time"
)

// announceAt is when an address taken over is announced: at once, and again
// for neighbours that ignore changes to an entry younger than a second, or
// that lost the frame.
var announceAt = []time.Duration{0, time.Second, 2 * time.Second, 5 * time.Second}

// target is an address on a link.
type target struct {
	link linkKey
	addr netip.Addr
}

// schedule holds the announcements still to be made. The offsets are the same
// for all, so that one queue per step is always in order.
type schedule struct {
	began  map[target]time.Duration // targets now claimed, and since when
	queues [][]due
}

type due struct {
	target
	began time.Duration // tells a claim from an earlier one on the same target
	at    time.Duration
}

func newSchedule() *schedule {
	return &schedule{began: map[target]time.Duration{}, queues: make([][]due, len(announceAt))}
}

// set starts the targets that are new in claims and forgets those that are
// gone.
func (s *schedule) set(claims claimSet, now time.Duration) {
	for t := range s.began {
		if !claims.owns(t.link, t.addr) {
			delete(s.began, t)
		}
	}
	for link, addrs := range claims {
		for addr := range addrs {
			if t := (target{link, addr}); s.began[t] == 0 {
				s.start(t, now)
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
	s.queues[0] = append(s.queues[0], due{t, now, now})
}

// next takes the targets that are due.
func (s *schedule) next(now time.Duration) []target {
	var out []target
	for i := range s.queues {
		q := s.queues[i]
		for len(q) > 0 && q[0].at <= now {
			d := q[0]
			q = q[1:]
			if s.began[d.target] != d.began {
				continue
			}
			out = append(out, d.target)
			if i+1 < len(s.queues) {
				d.at = d.began + announceAt[i+1]
				s.queues[i+1] = append(s.queues[i+1], d)
			}
		}
		s.queues[i] = q
	}
	return out
}

// wait is how long until the next is due, at most limit.
func (s *schedule) wait(now, limit time.Duration) time.Duration {
	for _, q := range s.queues {
		if len(q) > 0 {
			limit = min(limit, max(0, q[0].at-now))
		}
	}
	return limit
}
