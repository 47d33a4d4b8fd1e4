package session

import (
	"time"

	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
)

// Status is what can be seen of a session.
type Status struct {
	State packet.State
	Diag  packet.Diag // why State is not Up, or was not before
	Since time.Time   // of State

	Remote            packet.State // as the peer said last; Down if it is silent
	RemoteDiag        packet.Diag
	RemoteMultiplier  uint8
	RemoteIndependent bool

	Mine, Yours uint32        // discriminators; Yours is 0 if the peer is silent
	Interval    time.Duration // we send every so often, less jitter
	Detection   time.Duration // silence after which the peer is lost; 0 if it is
}

// Status is the session's present one.
func (s *Session) Status() Status {
	return Status{
		State: s.state, Diag: s.diag, Since: s.since,
		Remote: s.remote.state, RemoteDiag: s.remote.diag,
		RemoteMultiplier: s.remote.multiplier, RemoteIndependent: s.remote.independent,
		Mine: s.mine, Yours: s.remote.discr, Interval: s.interval(), Detection: s.Detection(),
	}
}
