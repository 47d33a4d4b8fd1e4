package session

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// sequence are the variables of authentication (RFC 5880, 6.8.1).
type sequence struct {
	sent     uint32 // bfd.XmitAuthSeq
	received uint32 // bfd.RcvAuthSeq
	known    bool   // bfd.AuthSeqKnown
	forget   time.Time
}

// keep notes the number of a packet that is genuine. It counts for as long:
// a peer that was away longer may have begun anew.
func (q *sequence) keep(p packet.Packet, now time.Time, holds time.Duration) {
	q.received, q.known, q.forget = p.Auth.Seq, true, now.Add(holds)
}

// fresh tells whether a number may come next: no older than the last, newer if
// it must be, and not so far ahead that three detection times were lost.
func (q *sequence) fresh(p packet.Packet, now time.Time) bool {
	if !q.known || !now.Before(q.forget) {
		return true
	}
	ahead := p.Auth.Seq - q.received // around the end of the numbers too
	if p.Auth.Type.Meticulous() && ahead == 0 {
		return false
	}
	return ahead <= 3*uint32(p.Multiplier)
}

// authenticate tells whether p, parsed from b, is of somebody who has the key
// (RFC 5880, 6.7).
func (s *Session) authenticate(p packet.Packet, b []byte, now time.Time) packet.Discard {
	key := s.set.Key
	switch {
	case key.Type == packet.AuthNone && p.Auth.Type == packet.AuthNone:
		return packet.Kept
	case key.Type == packet.AuthNone:
		return packet.UnexpectedAuth
	case p.Auth.Type == packet.AuthNone:
		return packet.MissingAuth
	case p.Auth.Type != key.Type:
		return packet.WrongAuthType
	case p.Auth.KeyID != key.ID:
		return packet.WrongKeyID
	case !s.auth.fresh(p, now):
		return packet.BadSequence
	case !packet.Verify(b, key):
		return packet.BadDigest
	}
	return packet.Kept
}
