package session

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// wanted are the intervals that the settings and the state ask for.
func (s *Session) wanted() intervals {
	w := intervals{s.set.MinTx, s.set.MinRx}
	if s.state != packet.Up {
		w.tx = max(w.tx, slow)
	}
	return w
}

// negotiate offers the intervals that are wanted (RFC 5880, 6.8.3). While the
// session is Up, the peer has to confirm them before we send less often or
// expect more. A change during a Poll Sequence waits for its end, since the
// peer's answer could be to either.
func (s *Session) negotiate() {
	wanted := s.wanted()
	switch {
	case s.state != packet.Up:
		s.offered, s.used = wanted, wanted
	case wanted == s.offered || s.polling || !s.pollAt.IsZero():
	default:
		s.offered = wanted
		s.used = intervals{min(s.used.tx, wanted.tx), max(s.used.rx, wanted.rx)}
		s.polling, s.asked = true, false
	}
}

// confirm ends the Poll Sequence. Another one waits for an interval, in which
// answers to doubles of this one arrive.
func (s *Session) confirm(now time.Time) {
	s.polling, s.used = false, s.offered
	if s.wanted() != s.offered {
		s.pollAt = now.Add(s.interval())
	}
}

// interval is how often we send, before jitter (RFC 5880, 6.8.2).
func (s *Session) interval() time.Duration { return max(s.used.tx, s.remote.minRx) }

// Detection is the silence after which the peer is lost (RFC 5880, 6.8.4).
func (s *Session) Detection() time.Duration {
	return time.Duration(s.remote.multiplier) * max(s.used.rx, s.remote.minTx)
}

// jittered shortens the interval by up to a quarter, and by a tenth at least if
// a single late packet would be the end (RFC 5880, 6.8.7).
func (s *Session) jittered(random uint32) time.Duration {
	d := s.interval()
	least, most := time.Duration(0), d/4
	if s.set.Multiplier == 1 {
		least = d / 10
	}
	return d - least - time.Duration(float64(most-least)*float64(random)/(1<<32))
}

// periodic tells whether packets are sent by the clock (RFC 5880, 6.8.7).
func (s *Session) periodic() bool {
	switch {
	case s.remote.minRx == 0, s.mute():
		return false
	case s.remote.demand && s.state == packet.Up && s.remote.state == packet.Up:
		return s.polling
	}
	return true
}

// mute tells whether the peer has to speak first.
func (s *Session) mute() bool { return s.set.Passive && s.remote.discr == 0 }
