package session

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// mostLeave bounds how long a session takes leave: a peer can ask for weeks.
const mostLeave = time.Minute

// slow is the least interval of a session that is not Up (RFC 5880, 6.8.3).
const slow = time.Second

// Session is one session. The names of the RFC's variables (6.8.1) are behind
// the fields that hold them.
type Session struct {
	set Settings

	state  packet.State // bfd.SessionState
	diag   packet.Diag  // bfd.LocalDiag
	mine   uint32       // bfd.LocalDiscr
	since  time.Time    // of state
	remote remote

	// offered is what our packets say, used what we go by: they differ while the
	// peer has not confirmed what must not change without it.
	offered, used intervals
	polling       bool // P is set until F comes
	asked         bool // P was sent in this sequence
	pollAt        time.Time

	heard  time.Time // last packet kept; zero: none since the remote was reset
	sent   time.Time // last packet, whatever it was for
	next   time.Time // when the next periodic one is due
	said   packet.Packet
	leaves time.Time // when the last word is spoken; zero: not leaving
	auth   sequence
	shown  Status
}

// remote is what the peer's packets say.
type remote struct {
	state       packet.State // bfd.RemoteSessionState
	diag        packet.Diag
	discr       uint32        // bfd.RemoteDiscr; 0: not known
	minRx       time.Duration // bfd.RemoteMinRxInterval
	minTx       time.Duration
	multiplier  uint8
	demand      bool // bfd.RemoteDemandMode
	independent bool
}

// unheard is a peer of whom nothing is known (RFC 5880, 6.8.1).
var unheard = remote{state: packet.Down, minRx: time.Microsecond}

// intervals are bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval.
type intervals struct{ tx, rx time.Duration }

// Output is what a call asks of the owner.
type Output struct {
	Send    bool
	Packet  packet.Packet // to be sent at once, if Send
	From    packet.State  // From and To differ if the state changed
	To      packet.State
	Changed bool // [Session.Status] is another
}

// New makes a session that is Down. discr is its discriminator, not 0 and of no
// other session; seq is where the sequence numbers of authentication start,
// which none can foresee (RFC 5880, 6.8.1). Step it at once.
func New(set Settings, discr, seq uint32, now time.Time) *Session {
	s := &Session{set: set, state: packet.Down, mine: discr, since: now, remote: unheard, next: now, auth: sequence{sent: seq}}
	s.offered, s.used = s.wanted(), s.wanted()
	if set.AdminDown {
		s.state, s.diag = packet.AdminDown, packet.AdminDowned
	}
	s.shown = s.Status()
	return s
}

// Discriminator is what the peer calls the session.
func (s *Session) Discriminator() uint32 { return s.mine }

// Key is the secret that the session's packets are made with.
func (s *Session) Key() packet.Key { return s.set.Key }

// Step does what is due at now; random chooses the jitter.
func (s *Session) Step(now time.Time, random uint32) Output {
	was := s.state
	if s.expired(now) {
		s.lose(now)
	}
	if !s.pollAt.IsZero() && !now.Before(s.pollAt) {
		s.pollAt = time.Time{}
		s.negotiate()
	}
	due := s.periodic() && !now.Before(s.next)
	return s.finish(was, due, now, random)
}

// Apply makes set the settings from now on.
func (s *Session) Apply(set Settings, now time.Time, random uint32) Output {
	was := s.state
	if set.Key != s.set.Key {
		s.auth.known = false
	}
	s.set = set
	switch {
	case set.AdminDown && s.state != packet.AdminDown:
		s.enter(packet.AdminDown, packet.AdminDowned, now)
	case !set.AdminDown && s.state == packet.AdminDown:
		s.enter(packet.Down, s.diag, now)
	}
	s.negotiate()
	return s.finish(was, false, now, random)
}

// Leave ends the session. With notice the peer is told, so that it does not
// have to find out, for as long as it takes it to do so (RFC 5880, 6.8.16), but
// a minute at most; without, it finds a silence. [Session.Gone] says when the
// owner may forget it.
func (s *Session) Leave(notice bool, now time.Time, random uint32) Output {
	was := s.state
	s.set.AdminDown = true
	if s.leaves = now; notice {
		s.leaves = now.Add(min(max(s.Detection(), slow), mostLeave))
	}
	if s.state != packet.AdminDown {
		s.enter(packet.AdminDown, packet.AdminDowned, now)
	}
	if !notice {
		return Output{From: was, To: s.state, Changed: true}
	}
	return s.finish(was, false, now, random)
}

// Gone tells whether a session that was told to leave has done so.
func (s *Session) Gone(now time.Time) bool { return !s.leaves.IsZero() && !now.Before(s.leaves) }

// Due is when Step wants to be called, at the latest; zero for not at all.
func (s *Session) Due() time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if s.periodic() {
		sooner(s.next)
	}
	if !s.heard.IsZero() {
		sooner(s.heard.Add(s.Detection()))
	}
	if !s.pollAt.IsZero() {
		sooner(s.pollAt)
	}
	if !s.leaves.IsZero() {
		sooner(s.leaves)
	}
	return at
}

// enter changes the state. What was agreed with the peer belongs to the state
// Up, and a session that is not goes by the slow interval (RFC 5880, 6.8.3).
func (s *Session) enter(state packet.State, diag packet.Diag, now time.Time) {
	s.state, s.diag, s.since = state, diag, now
	if state != packet.Up {
		s.polling, s.pollAt = false, time.Time{}
	}
	s.negotiate()
}

// expired tells whether nothing was heard for the detection time.
func (s *Session) expired(now time.Time) bool {
	return !s.heard.IsZero() && now.Sub(s.heard) >= s.Detection()
}

// lose forgets a peer that is silent (RFC 5880, 6.8.1 and 6.8.4). What it asked
// for is forgotten too: whoever comes next must be able to hear us.
func (s *Session) lose(now time.Time) {
	diag := s.remote.diag // its last word may say why
	s.remote, s.heard = unheard, time.Time{}
	s.remote.diag = diag
	if s.state == packet.Init || s.state == packet.Up {
		s.enter(packet.Down, packet.DetectionExpired, now)
	}
}
