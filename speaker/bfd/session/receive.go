package session

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// Receive takes in p, parsed from the datagram b, which came the way that the
// session's packets come (RFC 5880, 6.8.6). What is not kept changes nothing,
// save that a session that is AdminDown still learns the peer's discriminator.
func (s *Session) Receive(p packet.Packet, b []byte, now time.Time, random uint32) (Output, packet.Discard) {
	was := s.state
	if why := s.authenticate(p, b, now); why != packet.Kept {
		return Output{From: was, To: was}, why
	}
	before := s.interval()
	s.remote = remote{
		state: p.State, diag: p.Diag, discr: p.Mine, minRx: p.MinRx, minTx: p.MinTx,
		multiplier: p.Multiplier, demand: p.Demand, independent: p.Independent,
	}
	s.auth.keep(p, now, 2*s.Detection())
	s.heard = now
	if s.state == packet.AdminDown {
		return s.finish(was, false, now, random), packet.AdminDownSession
	}
	if p.Final && s.polling && s.asked {
		s.confirm(now)
	}
	if to, diag := next(s.state, p.State); to != s.state {
		if diag == packet.NoDiag && to != packet.Up {
			diag = s.diag // still why the session failed last
		}
		s.enter(to, diag, now)
	}
	if d := s.interval(); d < before { // a wish for more is granted at once (6.8.3)
		if at := s.sent.Add(s.jittered(random)); at.Before(s.next) {
			s.next = at
		}
	}
	if p.Poll {
		return s.answer(was, now, random), packet.Kept
	}
	return s.finish(was, false, now, random), packet.Kept
}

// next is the state after a packet that says heard, and the diagnostic if the
// session fails by it (RFC 5880, 6.2 and 6.8.6).
func next(state, heard packet.State) (packet.State, packet.Diag) {
	switch {
	case state == packet.AdminDown:
		return state, packet.NoDiag
	case heard == packet.AdminDown && state != packet.Down, heard == packet.Down && state == packet.Up:
		return packet.Down, packet.NeighborDown
	case state == packet.Down && heard == packet.Down:
		return packet.Init, packet.NoDiag
	case state == packet.Down && heard == packet.Init, state == packet.Init && heard >= packet.Init:
		return packet.Up, packet.NoDiag
	}
	return state, packet.NoDiag
}
