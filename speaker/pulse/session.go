package pulse

import (
	"net/netip"
	"time"
)

// Tuning is the pace of beats. It must be the same on all nodes.
type Tuning struct {
	Every time.Duration // between two beats
	Miss  int           // so many in a row missing are a death
}

// DefaultTuning finds a dead node within 150 ms.
var DefaultTuning = Tuning{Every: 50 * time.Millisecond, Miss: 3}

// Detection is how long a node must have been silent to be found dead: what
// answers for a node's addresses must stop before its process was away for so
// long.
func (t Tuning) Detection() time.Duration { return time.Duration(t.Miss) * t.Every }

// suspicious is the silence after which polls are sent: a beat before the end,
// and a tenth of one for beats that are merely late.
func (t Tuning) suspicious() time.Duration { return t.Detection() - t.Every*9/10 }

// pollGap is the time between two polls of a burst: five fit before the end.
func (t Tuning) pollGap() time.Duration { return t.Every / 5 }

// slow is the pace towards a node that is not up (RFC 5880, 6.8.3, slows down
// as well).
func (t Tuning) slow() time.Duration { return 5 * t.Every }

// State is what is known of a node.
type State int8

const (
	Unknown State = iota // not heard yet, gone in order, or watched by others and well
	Up
	Down   // was Up, and is silent
	Vacant // was Up, and its host lives on and says that nobody listens
)

// vacantFor is how long a host's word counts that nobody listens. The kernel
// may say so once a second only, however often it is asked (icmp_ratelimit).
const vacantFor = 3 * time.Second

// session is what one node knows of another.
type session struct {
	id    id
	peer  Peer
	beats bool // beats are exchanged; else the two only speak when there is something to say
	state State

	boot, high uint64 // of the peer: its process, and the highest number seen
	since      uint64 // the first of our numbers that a new life of the peer may echo

	heard    time.Time // last sign of life; pushed by gaps of our own
	nextBeat time.Time
	nextPoll time.Time
	refused  time.Time // when its host said last that nobody listens
	replied  time.Time // last word to somebody whose words prove nothing yet
	says     []id      // whom the peer found dead
	saidAt   time.Time
}

// due is when the session wants to be looked at.
func (s *session) due(t Tuning) time.Time {
	at := s.nextBeat
	if s.state == Up {
		for _, other := range []time.Time{s.nextPoll, s.heard.Add(t.Detection())} {
			if other.Before(at) {
				at = other
			}
		}
	}
	return at
}

// step does what the time asks for. A peer whose host says that nobody listens
// has lost its speaker, not its life.
func (s *session) step(t Tuning, now time.Time, send func(kind)) {
	if s.state == Up && now.Sub(s.heard) >= t.Detection() {
		if s.state = Down; s.refused.After(s.heard) {
			s.state = Vacant
		}
	}
	if s.state == Vacant && now.Sub(s.refused) >= vacantFor {
		s.state = Unknown // it may be gone altogether: that is for membership to say
	}
	if s.state == Up && !now.Before(s.nextPoll) {
		s.nextPoll = now.Add(t.pollGap())
		send(poll)
	}
	if now.Add(t.Every / 4).After(s.nextBeat) { // a bit early, so that beats to many go out together
		s.nextBeat = now.Add(t.Every)
		if s.state != Up {
			s.nextBeat = now.Add(t.slow())
		}
		send(beat)
	}
}

// forgive takes a gap in which this process was not there to hear out of the
// peer's silence, and asks it at once.
func (s *session) forgive(gap time.Duration, now time.Time) {
	if s.heard = s.heard.Add(gap); s.heard.After(now) {
		s.heard = now
	}
	s.nextPoll = now
}

// verdict is what a packet is worth.
type verdict int8

const (
	proven   verdict = iota // it was made now, by the peer's process, for this one
	unproven                // it may be old: the sender does not know us yet
	replayed                // it is old, or came twice
)

// judge takes a packet of the peer for what it is worth. boot is of our own
// process, seq the last number it used. A packet of the process that we know
// must have a higher number than all before. One of a new process must name
// ours and echo a number that we used after we had come to know the old one:
// none that was recorded does.
func (s *session) judge(p packet, boot, seq uint64) verdict {
	switch {
	case p.Mine != 0 && p.Mine == s.boot && p.Seq <= s.high:
		return replayed
	case p.Yours != boot, p.Mine == 0, p.Mine != s.boot && (p.Echo < s.since || p.Echo > seq):
		return unproven
	}
	if p.Mine != s.boot {
		s.boot, s.since = p.Mine, seq+1
	}
	s.high = p.Seq
	return proven
}

// hear notes a sign of life. It tells whether the peer is Up since, and
// whether it was Down before.
func (s *session) hear(t Tuning, now time.Time) (rose, revived bool) {
	s.heard, s.nextPoll = now, now.Add(t.suspicious())
	if !s.beats || s.state == Up {
		return false, false
	}
	revived = s.state == Down
	s.state, s.nextBeat = Up, now
	return true, revived
}

// Peer is another node's speaker.
type Peer struct {
	Node string
	Addr netip.AddrPort
}
