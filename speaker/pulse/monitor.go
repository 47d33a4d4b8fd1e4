package pulse

import (
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/feed"
)

const warnEvery = 10 * time.Minute // about packets with another key

// monitor hands on what is believed of the others, counts and logs. It belongs to
// one goroutine.
type monitor struct {
	log     log.Logger
	metrics *metrics
	views   *feed.Latest[View]

	last        View
	problem     string // logged
	undecrypted uint64 // known of
	warned      time.Time
}

func newMonitor(logger log.Logger, reg prometheus.Registerer) *monitor {
	return &monitor{log: logger, metrics: newMetrics(reg), views: feed.NewLatest[View](nil)}
}

// Views yields what is believed of the others, after each change. It has one
// reader, and what it yields must not be changed.
func (m *monitor) Views() <-chan View { return m.views.C() }

// take takes in what is new.
func (m *monitor) take(u Update) {
	m.metrics.take(u)
	if u.Problem != m.problem {
		if m.problem = u.Problem; m.problem != "" {
			level.Warn(m.log).Log("msg", "no heartbeats, so gossip alone finds deaths; trying again", "err", m.problem)
		}
	}
	if u.Undecrypted > m.undecrypted && (m.warned.IsZero() || time.Since(m.warned) > warnEvery) {
		m.warned = time.Now()
		level.Warn(m.log).Log("msg", "dropping heartbeats that are not from a speaker of this cluster, or made with a key that this node does not have: "+
			"give all speakers the same list of keys (docs/install.md)")
	}
	m.undecrypted = u.Undecrypted
	if u.View != nil && !u.View.equal(m.last) {
		m.tell(*u.View)
	}
}

// tell hands on a view that is another, and logs why.
func (m *monitor) tell(v View) {
	for node, state := range v.States {
		switch was := m.last.States[node]; {
		case state == Down && was != Down:
			level.Info(m.log).Log("msg", "no heartbeat of this node any more", "node", node)
		case state == Vacant && was != Vacant:
			level.Info(m.log).Log("msg", "the heartbeats of this node ended; the node lives", "node", node)
		case state == Up && (was == Down || was == Vacant):
			level.Info(m.log).Log("msg", "heartbeats again", "node", node)
		}
	}
	if v.Cuts != m.last.Cuts {
		level.Warn(m.log).Log("msg", "the others may have found this node dead: it was cut off, or did not run")
	}
	m.last = v
	m.views.Put(v)
}
