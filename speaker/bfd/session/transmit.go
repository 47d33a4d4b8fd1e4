package session

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// finish ends a call: a packet goes out if it is due, or if what the last one
// said is not true any more (RFC 5880, 6.8.7).
func (s *Session) finish(was packet.State, due bool, now time.Time, random uint32) Output {
	out := Output{From: was, To: s.state}
	if (due || s.content() != s.said || s.polling && !s.asked) && !s.mute() {
		out.Send, out.Packet = true, s.emit(false, now, random)
	}
	return s.show(out)
}

// answer ends a call in which the peer polled: it gets its Final at once.
func (s *Session) answer(was packet.State, now time.Time, random uint32) Output {
	return s.show(Output{From: was, To: s.state, Send: true, Packet: s.emit(true, now, random)})
}

// show notes whether what can be seen of the session is another.
func (s *Session) show(out Output) Output {
	status := s.Status()
	out.Changed = status != s.shown
	s.shown = status
	return out
}

// content is what a packet says, without what belongs to this one only.
func (s *Session) content() packet.Packet {
	return packet.Packet{
		Diag: s.diag, State: s.state, Independent: s.set.Independent, Multiplier: s.set.Multiplier,
		Mine: s.mine, Yours: s.remote.discr, MinTx: s.offered.tx, MinRx: s.offered.rx,
	}
}

// emit makes a packet and sets the clock for the next.
func (s *Session) emit(final bool, now time.Time, random uint32) packet.Packet {
	p := s.content()
	s.said = p
	p.Final, p.Poll = final, s.polling && !final
	s.asked = s.asked || p.Poll
	if s.set.Key.Type != packet.AuthNone {
		s.auth.sent++ // a number of its own for each does no harm to the types that could do without
		p.Auth = packet.Auth{Type: s.set.Key.Type, KeyID: s.set.Key.ID, Seq: s.auth.sent}
	}
	s.sent, s.next = now, now.Add(s.jittered(random))
	return p
}
