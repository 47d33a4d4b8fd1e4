package pulse

import (
	"context"
	"sync"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// Pulse is this node's part in the heartbeats, in this process. Where others keep
// the processors busy a [Client] is more punctual.
type Pulse struct {
	*monitor
	engine *engine
}

// New makes a pulse that does nothing until Run. reg may be nil.
func New(cfg Config, logger log.Logger, reg prometheus.Registerer) (*Pulse, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Pulse{monitor: newMonitor(logger, reg), engine: newEngine(cfg.self(), deriveKeys(cfg.Keys))}, nil
}

// Apply makes peers the others; this node may be among them.
func (p *Pulse) Apply(peers []Peer) { p.engine.apply(peers) }

// Rekey makes ring, which is not empty, the keys from now on: the first signs
// what is sent, each verifies what is received.
func (p *Pulse) Rekey(ring keys.Ring) { p.engine.rekey(deriveKeys(ring)) }

// Run exchanges beats until ctx ends, says goodbye, and returns nil. It must
// not be called twice.
func (p *Pulse) Run(ctx context.Context) error {
	var beating sync.WaitGroup
	defer beating.Wait()
	beating.Go(func() { p.engine.run(ctx) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-p.engine.updates.C():
			p.take(u)
		}
	}
}
