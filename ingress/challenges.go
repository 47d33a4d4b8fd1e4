package ingress

import (
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/cert"
)

// prove answers the challenges of the orders that are under way.
func (s *Server) prove(snap *config.Snapshot) {
	proofs, err := cert.NewChallenges(snap.Orders, s.proofs, time.Now())
	if err != nil { // there is no randomness: those of before go on
		level.Error(s.opts.Logger).Log("msg", "challenges cannot be answered", "err", err)
		return
	}
	if proofs.Len() != s.proofs.Len() {
		level.Info(s.opts.Logger).Log("msg", "challenges of certificate authorities are answered", "count", proofs.Len())
	}
	s.proofs = proofs
}
